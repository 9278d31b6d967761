/**
 * The steps from what is to what should be: pure, the smallest operations, and
 * in an order such that ending after any of them leaves nothing worse.
 *
 * - The unreachable routes and our nftables table come first, so nothing leaves
 *   in clear (I23).
 * - A new address comes before the route that speaks from it, the old one goes
 *   after: the kernel drops routes whose source or last address goes.
 * - Forwarding of IPv6 comes after `accept_ra`, in the order of `sysctls`.
 * - The link goes up with its key and port set; the CNI configuration is last,
 *   and not written while anything is in the way.
 * - Peers: `plan_peers.ts`.
 *
 * Nothing is taken away on the strength of a state that is not whole: peers and
 * AllowedIPs not after an interrupted dump, routes not while `addresses` says
 * nothing (our own podCIDRs are not known yet), neither what `undefined` covers.
 *
 * @module
 */

import type { LinkAddress } from "./address.ts";
import type { PublicKey } from "./key.ts";
import { sameTable } from "./nft_text.ts";
import { planPeers } from "./plan_peers.ts";
import { foreignLink } from "./preflight.ts";
import type { Problem } from "./problem.ts";
import {
  type Device,
  type Link,
  type Route,
  ROUTE_PROTOCOL,
  sameRoute,
  sameRouteKey,
  type State,
  type Step,
} from "./state.ts";
import { routeText } from "./step_text.ts";

export interface PlanContext {
  /** Name of the link. */
  readonly link: string;
  readonly privateKeyFile: string;
  readonly cniConfFile: string;
  /** Name of the Node whose key this is or was, for people. */
  readonly nodeOf: (key: PublicKey) => string | undefined;
  /** Look at the peers with these keys only; `undefined`: at all. */
  readonly only?: ReadonlySet<PublicKey> | undefined;
}

export interface Plan {
  readonly steps: readonly Step[];
  /** What stands in the way and is not ours to change. */
  readonly blocked: readonly Problem[];
}

export function plan(
  desired: State,
  observed: State,
  context: PlanContext,
): Plan {
  const routes = planRoutes(desired, observed);
  const blocked = [...routes.blocked];
  const isDeadEnd = (step: Step): boolean =>
    step.kind === "add-route" && step.route.type === "unreachable";
  const steps = [
    ...routes.add.filter(isDeadEnd),
    ...planTable(desired, observed),
  ];
  const refusal = linkInTheWay(desired, observed, context);
  if (refusal !== undefined) return { steps, blocked: [refusal, ...blocked] };
  const addresses = planAddresses(desired, observed, context);
  steps.push(
    ...planLink(desired, observed, context),
    ...addresses.add,
    ...planSysctls(desired, observed),
    ...routes.add.filter((step) => !isDeadEnd(step)),
    ...routes.remove,
    ...addresses.remove,
    ...planPeers(desired, observed, context),
  );
  if (blocked.length === 0) {
    steps.push(...planConflist(desired, observed, context));
  }
  return { steps, blocked };
}

function linkInTheWay(
  { link: wanted }: State,
  { link: found }: State,
  { link }: PlanContext,
): Problem | undefined {
  if (!wanted || found === undefined) return undefined;
  if (found === null && wanted.kind !== "wireguard") {
    return {
      reason: "NoUserspaceWireGuard",
      text: `No userspace WireGuard holds the link ${link}: start one, as in ` +
        `\`wireguard-go ${link}\`, to outlive the agent`,
    };
  }
  return foreignLink(link, found, wanted.kind);
}

/** Key and port before up: a port in use is then told by the step that takes it up. */
function* planLink(
  { link: wanted, device }: State,
  observed: State,
  context: PlanContext,
): Generator<Step> {
  if (!wanted || observed.link === undefined) return;
  const { link, privateKeyFile: file } = context;
  const found: Link | null = observed.link;
  if (found === null) yield { kind: "create-link", link };
  if (found?.alias !== wanted.alias) {
    yield { kind: "set-link-alias", link, alias: wanted.alias };
  }
  const has: Device | null | undefined = found === null
    ? null
    : observed.device;
  if (device && has !== undefined) {
    if (has?.publicKey !== device.publicKey) {
      yield { kind: "set-private-key", link, file };
    }
    if (has?.listenPort !== device.listenPort) {
      yield { kind: "set-listen-port", link, port: device.listenPort };
    }
  }
  if (wanted.mtu !== undefined && found?.mtu !== wanted.mtu) {
    yield { kind: "set-link-mtu", link, mtu: wanted.mtu };
  }
  if (wanted.up && !found?.up) yield { kind: "set-link-up", link };
}

interface AddRemove {
  readonly add: readonly Step[];
  readonly remove: readonly Step[];
}

function planAddresses(
  { addresses: wanted }: State,
  observed: State,
  { link }: PlanContext,
): AddRemove {
  const found = observed.link === null ? [] : observed.addresses;
  if (wanted === undefined || found === undefined) {
    return { add: [], remove: [] };
  }
  const step = (kind: "add-address" | "remove-address") =>
  (
    address: LinkAddress,
  ): Step => ({ kind, link, address });
  return {
    add: without(wanted, found).map(step("add-address")),
    remove: without(found, wanted).map(step("remove-address")),
  };
}

function planRoutes(
  { routes: wanted, addresses }: State,
  { routes: found }: State,
): AddRemove & { readonly blocked: readonly Problem[] } {
  const add: Step[] = [];
  const blocked: Problem[] = [];
  const kept = new Set<Route>();
  if (wanted === undefined || found === undefined) {
    return { add, remove: [], blocked };
  }
  for (const route of wanted) {
    const there = found.filter((other) => sameRouteKey(route, other));
    const foreign = found.find((other) => goesBefore(other, route));
    const same = there.find((other) => sameRoute(route, other));
    const ours = same ??
      there.find(({ protocol }) => protocol === ROUTE_PROTOCOL);
    if (ours !== undefined) kept.add(ours);
    if (foreign !== undefined) blocked.push(inTheWay(foreign));
    else if (same === undefined) {
      add.push({ kind: "add-route", route, replace: ours !== undefined });
    }
  }
  // Nothing said of addresses: our podCIDRs are not known, nor which routes are whole.
  const stale = addresses === undefined
    ? []
    : found.filter((route) =>
      route.protocol === ROUTE_PROTOCOL && !kept.has(route)
    );
  const remove = stale
    .toSorted((a, b) => a.metric - b.metric) // the dead end beneath goes last
    .map((route): Step => ({ kind: "remove-route", route }));
  return { add, remove, blocked };
}

/** Would the kernel take somebody else's route before ours, or not take ours beside it? */
function goesBefore(other: Route, ours: Route): boolean {
  if (other.protocol === ROUTE_PROTOCOL) return false;
  const better = ours.type === "unicast" && other.metric < ours.metric &&
    other.destination === ours.destination;
  return better || sameRouteKey(other, ours);
}

function inTheWay(route: Route): Problem {
  return {
    reason: "ForeignRoute",
    text: `A route to ${route.destination} by somebody else (protocol ` +
      `${route.protocol}) is in the way: ip route del ${routeText(route)}`,
  };
}

/** Made anew as a whole, whatever small thing is different: that is one transaction too. */
function* planTable(
  { table: wanted }: State,
  { table: found }: State,
): Generator<Step> {
  if (!wanted || found === undefined || sameTable(wanted, found)) return;
  yield { kind: "set-table", table: wanted };
}

function* planSysctls(
  { sysctls: wanted }: State,
  { sysctls: found }: State,
): Generator<Step> {
  if (wanted === undefined || found === undefined) return;
  for (const [name, value] of wanted) {
    if (found.get(name) !== value) yield { kind: "set-sysctl", name, value };
  }
}

function* planConflist(
  { conflist: text }: State,
  { conflist: found }: State,
  { cniConfFile: file }: PlanContext,
): Generator<Step> {
  if (!text || found === undefined || found === text) return;
  yield { kind: "write-conflist", file, text };
}

function without<T>(items: readonly T[], others: readonly T[]): readonly T[] {
  return items.filter((item) => !others.includes(item));
}
