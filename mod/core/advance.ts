/**
 * What steps do to a state, as the kernel does it: the model by which a turn
 * knows its outcome without reading all back, and which the tests hold the
 * planner against.
 *
 * It knows what surprises: a prefix given to a second peer leaves the first, an
 * address takes along the routes that speak from it, the last IPv4 address all
 * IPv4 routes of the link.
 *
 * @module
 */

import {
  familyOf,
  type LinkAddress,
  type Prefix,
  prefixAddress,
} from "./address.ts";
import type { PublicKey } from "./key.ts";
import {
  type Peer,
  type PeerChange,
  type Route,
  sameRoute,
  sameRouteKey,
  type State,
  type Step,
} from "./state.ts";

/** The peers of a link, changed in place; who holds a prefix is known at once. */
export class PeerTable {
  readonly #peers: Map<PublicKey, Peer>;
  readonly #holders = new Map<Prefix, PublicKey>();

  constructor(peers: Iterable<readonly [PublicKey, Peer]>) {
    this.#peers = new Map(peers);
    for (const { publicKey, allowedIps } of this.#peers.values()) {
      for (const prefix of allowedIps) this.#holders.set(prefix, publicKey);
    }
  }

  get peers(): ReadonlyMap<PublicKey, Peer> {
    return this.#peers;
  }

  apply(change: PeerChange): void {
    if (change.kind === "remove-peer") return this.#remove(change.publicKey);
    if (change.replaces !== undefined) this.#remove(change.replaces);
    const before = this.#peers.get(change.publicKey);
    if (before === undefined && !change.create) return;
    const allowedIps = new Set(before?.allowedIps);
    for (const prefix of change.removeAllowedIps) {
      if (allowedIps.delete(prefix)) this.#holders.delete(prefix);
    }
    for (const prefix of change.addAllowedIps) {
      this.#take(prefix, change.publicKey);
      allowedIps.add(prefix);
    }
    this.#peers.set(change.publicKey, {
      publicKey: change.publicKey,
      endpoint: change.endpoint ?? before?.endpoint,
      allowedIps: [...allowedIps].sort(),
      keepaliveSeconds: change.keepaliveSeconds ?? before?.keepaliveSeconds ??
        0,
      presharedKey: !change.clearPresharedKey &&
        (before?.presharedKey ?? false),
    });
  }

  #take(prefix: Prefix, taker: PublicKey): void {
    const holder = this.#peers.get(this.#holders.get(prefix) ?? taker);
    this.#holders.set(prefix, taker);
    if (holder === undefined || holder.publicKey === taker) return;
    const allowedIps = holder.allowedIps.filter((other) => other !== prefix);
    this.#peers.set(holder.publicKey, { ...holder, allowedIps });
  }

  #remove(key: PublicKey): void {
    for (const prefix of this.#peers.get(key)?.allowedIps ?? []) {
      this.#holders.delete(prefix);
    }
    this.#peers.delete(key);
  }
}

export interface AdvanceOptions {
  /** That of the private key which "set-private-key" sets. */
  readonly publicKey: PublicKey;
  /**
   * The peers of `observed`, to be changed in place; `undefined`: a copy of them
   * is, which takes time in proportion to their number.
   */
  readonly table?: PeerTable;
}

/** The state after the steps. */
export function advance(
  observed: State,
  steps: readonly Step[],
  { publicKey, table = new PeerTable(observed.peers ?? []) }: AdvanceOptions,
): State {
  let state: State = observed;
  let known = observed.peers !== undefined;
  for (const step of steps) {
    known ||= step.kind === "create-link";
    if (step.kind === "peer") table.apply(step.change);
    else if (step.kind === "set-private-key") {
      const { device } = state;
      state = { ...state, device: device && { ...device, publicKey } };
    } else state = after(state, step);
  }
  return known ? { ...state, peers: table.peers } : state;
}

type OtherStep = Exclude<Step, { kind: "peer" | "set-private-key" }>;

function after(state: State, step: OtherStep): State {
  const { link, device } = state;
  switch (step.kind) {
    case "create-link":
      return {
        ...state,
        link: { kind: "wireguard", alias: "", mtu: 1420, up: false },
        device: { publicKey: null, listenPort: 0 },
        addresses: [],
      };
    case "set-link-alias":
      return { ...state, link: link && { ...link, alias: step.alias } };
    case "set-link-mtu":
      return { ...state, link: link && { ...link, mtu: step.mtu } };
    case "set-link-up":
      return { ...state, link: link && { ...link, up: true } };
    case "set-listen-port":
      return {
        ...state,
        device: device && { ...device, listenPort: step.port },
      };
    case "add-address":
      return { ...state, addresses: [...state.addresses ?? [], step.address] };
    case "remove-address":
      return withoutAddress(state, step.address);
    case "add-route":
      return { ...state, routes: withRoute(state.routes ?? [], step) };
    case "remove-route": {
      const routes = state.routes?.filter((route) =>
        !sameRoute(route, step.route)
      );
      return { ...state, routes };
    }
    case "set-sysctl": {
      const sysctls = new Map(state.sysctls).set(step.name, step.value);
      return { ...state, sysctls };
    }
    case "set-table":
      return { ...state, table: step.table };
    case "write-conflist":
      return { ...state, conflist: step.text };
  }
}

/**
 * The kernel drops IPv4 routes whose source goes, and takes the source from IPv6
 * ones; with its last IPv4 address a link loses all IPv4 routes.
 */
function withoutAddress(state: State, address: LinkAddress): State {
  const gone = prefixAddress(address);
  const addresses = state.addresses?.filter((other) => other !== address);
  const left4 = addresses?.some((other) => familyOf(other) === 4) ?? false;
  const routes = state.routes?.filter((route) =>
    familyOf(route.destination) === 6 || route.device === undefined ||
    (left4 && route.source !== gone)
  ).map((route) =>
    route.source === gone ? { ...route, source: undefined } : route
  );
  return { ...state, addresses, routes };
}

function withRoute(
  routes: readonly Route[],
  { route, replace }: Extract<Step, { kind: "add-route" }>,
): readonly Route[] {
  const at = replace
    ? routes.findIndex((other) => sameRouteKey(other, route))
    : -1;
  return at < 0 ? [...routes, route] : routes.with(at, route);
}
