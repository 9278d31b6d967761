/**
 * Why a step is to be done: one clause for a person, from the difference that
 * led to it.
 *
 * @module
 */

import { sameTable } from "./nft_text.ts";
import {
  type Peer,
  type PeerChange,
  type Route,
  ROUTE_PROTOCOL,
  sameRouteKey,
  type State,
  type Step,
} from "./state.ts";
import { routeText } from "./step_text.ts";

/** What was compared. */
export interface Compared {
  readonly desired: State;
  readonly observed: State;
}

/**
 * ```ts
 * import assert from "node:assert/strict";
 * import { stepReason } from "./step_reason.ts";
 *
 * const link = { kind: "wireguard", alias: "clusternet", up: true };
 * assert.equal(
 *   stepReason({ kind: "set-link-mtu", link: "clusternet", mtu: 1440 }, {
 *     desired: { link: { ...link, mtu: 1440 } },
 *     observed: { link: { ...link, mtu: 1300 } },
 *   }),
 *   "The link has an MTU of 1300 bytes, and should have 1440: what the underlay carries, less the tunnel's own bytes",
 * );
 * ```
 */
export function stepReason(step: Step, compared: Compared): string {
  const { desired, observed } = compared;
  switch (step.kind) {
    case "create-link":
      return `There is no link ${step.link}`;
    case "set-link-alias":
      return "The alias is the mark by which a restart knows the link as ours";
    case "set-link-mtu":
      return mtuReason(step.mtu, observed);
    case "set-link-up":
      return observed.link ? "The link is down" : "The link is new";
    case "set-private-key":
      return observed.device?.publicKey
        ? `The link has another private key: its public one is ${observed.device.publicKey}`
        : "The link has no private key";
    case "set-listen-port":
      return observed.device && observed.device.listenPort !== 0
        ? `The link listens on port ${observed.device.listenPort}`
        : "The link has no port to listen on";
    case "add-address":
      return observed.link
        ? "The link lacks the first address of this node's podCIDR"
        : "The link's address is the first one of this node's podCIDR";
    case "remove-address":
      return "It is no address of this node's podCIDRs: they changed, or somebody added it";
    case "add-route":
      return addRouteReason(step.route, observed);
    case "remove-route":
      return desired.routes?.some((route) => sameRouteKey(route, step.route))
        ? "Another route of ours has its place"
        : "It is marked as ours, and no cluster CIDR needs it";
    case "peer":
      return peerReason(step.change, compared);
    case "set-sysctl":
      return sysctlReason(step.name, observed);
    case "set-table":
      return tableReason(compared);
    case "write-conflist":
      return observed.conflist === null
        ? "There is no CNI configuration of ours, so no pod gets a network"
        : "The CNI configuration is not what this node's podCIDRs and MTU ask for";
  }
}

function mtuReason(mtu: number, { link }: State): string {
  const why = "what the underlay carries, less the tunnel's own bytes";
  return link
    ? `The link has an MTU of ${link.mtu} bytes, and should have ${mtu}: ${why}`
    : `The link's MTU is ${why}`;
}

function addRouteReason(route: Route, { routes = [] }: State): string {
  const there = routes.find((other) =>
    other.protocol === ROUTE_PROTOCOL && sameRouteKey(other, route)
  );
  if (there !== undefined) {
    return `The route to ${route.destination} is another one: ${
      routeText(there)
    }`;
  }
  return route.type === "unreachable"
    ? `Beneath the route to ${route.destination} nothing ends what the tunnel does not take`
    : `There is no route to ${route.destination} into the tunnel`;
}

function sysctlReason(name: string, { sysctls }: State): string {
  const value = sysctls?.get(name);
  const now = value === undefined ? "It is not set" : `It is ${value}`;
  return name.endsWith("/accept_ra")
    ? `${now}: once this machine forwards, it would lose its default route`
    : `${now}: what pods send would not be forwarded`;
}

function tableReason({ desired, observed }: Compared): string {
  const { table: found } = observed;
  if (!found) {
    return "There is no such table: nothing is masqueraded, and nothing holds pods' traffic in the tunnel";
  }
  const { table: wanted } = desired;
  if (found.dormant) return "Somebody has put the table to sleep";
  const lacks = wanted?.chains.some(({ name }) =>
    !found.chains.some((chain) => chain.name === name)
  );
  if (lacks) return "The table lacks chains: somebody removed them";
  const same = wanted && sameTable({ ...wanted, name: found.name }, found);
  return same
    ? "The table has another name"
    : "The table's rules are not what this node's podCIDRs ask for, or somebody changed them";
}

function peerReason(change: PeerChange, { observed }: Compared): string {
  if (change.kind === "remove-peer") return sentence(change.reason);
  const { node } = change;
  if (change.replaces !== undefined) {
    return `Node ${node} has another key than before`;
  }
  const found = observed.peers?.get(change.publicKey);
  if (found === undefined) return `Node ${node} is no peer yet`;
  const parts = [...changes(change, found)];
  return `Node ${node} ${parts.join(", ")}`;
}

type SetPeer = Extract<PeerChange, { kind: "set-peer" }>;

function* changes(change: SetPeer, found: Peer): Generator<string> {
  if (change.endpoint !== undefined) {
    const before = found.endpoint === undefined ? "none" : found.endpoint;
    yield `has the endpoint ${change.endpoint}, the peer ${before}`;
  }
  if (change.addAllowedIps.length > 0) {
    yield `has ${change.addAllowedIps.join(", ")}, and its peer has not`;
  }
  if (change.removeAllowedIps.length > 0) {
    yield `has not ${change.removeAllowedIps.join(", ")}, and its peer has`;
  }
  if (change.keepaliveSeconds !== undefined) {
    yield "needs no keepalives, and its peer sends some";
  }
  if (change.clearPresharedKey) {
    yield "has no preshared key, and its peer has one";
  }
}

function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
