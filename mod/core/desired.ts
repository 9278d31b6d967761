/**
 * What should be on this machine, from the configuration, our own Node, the
 * peers and the machine itself. Compared with what is by `plan()`.
 *
 * What is not known yet is not spoken of: `undefined` in `State`, and a problem
 * in `waiting`. So a start, an API server that is away or a Node object that is
 * gone for a while take nothing down. From the first turn on the cluster CIDRs
 * have their unreachable routes: nothing for a pod leaves in clear (I23). The
 * table waits for our podCIDRs: without them its guard would part the host from
 * pods that may be running; before the first of them there are no pods.
 *
 * @module
 */

import {
  type Address,
  contains,
  type Family,
  familyOf,
  firstAddress,
  hostPrefix,
  parseAddress,
  parsePrefix,
  type Prefix,
  prefixBits,
} from "./address.ts";
import { conflistText } from "./cni.ts";
import type { Config } from "./config.ts";
import type { PublicKey } from "./key.ts";
import { desiredTable } from "./nftables.ts";
import type { NodeRecord } from "./node.ts";
import type { Problem } from "./problem.ts";
import {
  type HostFacts,
  LINK_ALIAS,
  type Peer,
  type Route,
  ROUTE_PROTOCOL,
  type State,
  WORST_METRIC,
} from "./state.ts";

/** Bytes that WireGuard and what is beneath it add to a packet: 20 or 40 (IP), 8 (UDP), 32. */
export const OVERHEAD: Readonly<Record<Family, number>> = { 4: 60, 6: 80 };

/** What waits for the first list says so in these words, wherever that is. */
export const FIRST_LIST_MISSING: Problem = {
  reason: "NodesNotListed",
  text: "The first complete list of Nodes has not arrived yet",
};

/** Milliseconds in which a controller that assigns podCIDRs has done it. */
export const BARE_MS = 5_000;

/** RFC 8200, section 5: below this the kernel has no IPv6 on a link. */
const IPV6_MIN_MTU = 1280;

/** IP6_RT_PRIO_USER (include/net/ip6_route.h) is what an IPv6 route without a metric gets. */
const ROUTE_METRIC: Readonly<Record<Family, number>> = { 4: 0, 6: 1024 };

/** What of the configuration links, routes, peers and files are made from: nothing secret. */
export type NetworkConfig = Pick<
  Config,
  | "nodeName"
  | "clusterCidrs"
  | "interface"
  | "listenPort"
  | "privateKeyFile"
  | "cniConfFile"
  | "cniNetworkName"
  | "masquerade"
  | "mtu"
>;

export interface DesiredInput {
  readonly config: NetworkConfig;
  readonly publicKey: PublicKey;
  /** Our own Node; `undefined`: not seen yet, or gone. */
  readonly self: NodeRecord | undefined;
  /** Has a complete list of Nodes arrived? */
  readonly listed: boolean;
  /** Milliseconds for which our own Node has been there without podCIDRs; 0 by default. */
  readonly bareMs?: number;
  /** `undefined`: not known before the first list. */
  readonly peers: ReadonlyMap<PublicKey, Peer> | undefined;
  /** Spares looking through the peers; `undefined`: look. */
  readonly ipv6Endpoints?: boolean | undefined;
  readonly host: HostFacts;
  /** "wireguard" or, for a userspace program's link, "tun". */
  readonly linkKind: string;
}

export interface Desired {
  readonly state: State;
  /** What is missing. Not ready while there are any. */
  readonly waiting: readonly Problem[];
  /** Our own podCIDRs that can be used. */
  readonly podCidrs: readonly Prefix[];
  /** Sentences: what is left out for good. Ready all the same. */
  readonly notes: readonly string[];
}

export function desired(input: DesiredInput): Desired {
  const { config, publicKey, self, host, linkKind } = input;
  const own = ownCidrs(input);
  const peers = self && input.peers;
  const mtu = self && peers && linkMtu(input, self);
  const spoken = own.usable.length > 0;
  const clusterCidrs = config.clusterCidrs.filter((cidr) =>
    host.ipv6 || familyOf(cidr) === 4
  );
  const state: State = {
    link: { kind: linkKind, alias: LINK_ALIAS, mtu, up: true },
    device: { publicKey, listenPort: config.listenPort },
    addresses: spoken
      ? own.usable.map((cidr) => hostPrefix(firstAddress(cidr)))
      : undefined,
    routes: clusterCidrs.flatMap((cidr) => [
      ...routesTo(cidr, own.usable, config.interface),
    ]),
    table: spoken
      ? desiredTable({
        link: config.interface,
        clusterCidrs,
        podCidrs: own.usable,
        masquerade: config.masquerade,
      })
      : undefined,
    peers,
    sysctls: sysctls(own.usable, host),
    conflist: spoken && mtu !== undefined && config.cniConfFile !== ""
      ? conflistText(own.usable, { networkName: config.cniNetworkName, mtu })
      : undefined,
  };
  const waiting = [...waitingFor(input), ...own.waiting];
  return { state, waiting, podCidrs: own.usable, notes: own.notes };
}

interface OwnCidrs {
  /** Inside a cluster CIDR, of a family that the machine has, in the Node's order. */
  readonly usable: readonly Prefix[];
  readonly waiting: readonly Problem[];
  readonly notes: readonly string[];
}

function ownCidrs({ self, config, host }: DesiredInput): OwnCidrs {
  const usable: Prefix[] = [];
  const waiting: Problem[] = [];
  const notes: string[] = [];
  for (const text of self?.podCidrs ?? []) {
    const opening = `Own Node ${self?.name} has the podCIDR ${text}`;
    const cidr = parsed(text, parsePrefix);
    if (cidr === undefined) {
      waiting.push(unusable(`${opening}, which is no prefix`));
      continue;
    }
    const family = familyOf(cidr);
    const cluster = config.clusterCidrs.find((one) => familyOf(one) === family);
    const narrow = family === 4 ? 30 : 126;
    if (cluster === undefined) {
      notes.push(
        `${opening}, but no --cluster-cidr is IPv${family}: pods get no IPv${family} address`,
      );
    } else if (!contains(cluster, cidr) || cluster === cidr) {
      waiting.push({
        reason: "PodCIDROutsideClusterCIDR",
        text:
          `${opening}, which is not a part of the cluster CIDR ${cluster}: give ` +
          "the agent's --cluster-cidr and kube-controller-manager's the same " +
          "range; a Node keeps its podCIDRs until it is deleted and registered anew",
      });
    } else if (prefixBits(cidr) > narrow) {
      waiting.push(unusable(`${opening}, too narrow for a gateway and a pod`));
    } else if (family === 6 && !host.ipv6) {
      notes.push(`${opening}, but this machine's kernel has IPv6 switched off`);
    } else usable.push(cidr);
  }
  return { usable, waiting, notes };
}

function unusable(text: string): Problem {
  return { reason: "PodCIDRUnusable", text };
}

function* waitingFor(
  { bareMs = 0, config, listed, self }: DesiredInput,
): Generator<Problem> {
  if (!listed) yield FIRST_LIST_MISSING;
  if (self === undefined) {
    if (listed) {
      yield {
        reason: "NodeNotRegistered",
        text:
          `There is no Node ${config.nodeName}: has the kubelet registered it, and is --node-name as \`kubectl get nodes\` has it?`,
      };
    }
    return;
  }
  if (self.podCidrs.length === 0) {
    yield {
      reason: "NoPodCIDRs",
      text: bareSentence(self.name, config, bareMs),
    };
  }
  if (self.internalIps.length === 0) {
    yield {
      reason: "NoInternalIP",
      text:
        `Own Node ${self.name} has no InternalIP yet: the others cannot reach it`,
    };
  }
}

/** Said while it may be a matter of seconds, and when it is none any more. */
function bareSentence(
  name: string,
  { clusterCidrs }: NetworkConfig,
  bareMs: number,
): string {
  if (bareMs < BARE_MS) {
    return `Own Node ${name} has no podCIDRs yet: kube-controller-manager gives it some within seconds`;
  }
  return `Own Node ${name} has no podCIDRs: run kube-controller-manager with ` +
    `--allocate-node-cidrs --cluster-cidr=${
      clusterCidrs.join(",")
    }; if it does, ` +
    `its range is used up (\`kubectl describe node ${name}\`: CIDRNotAvailable)`;
}

/** One into the link, where we have an address to speak from, and one beneath it that leads nowhere. */
function* routesTo(
  destination: Prefix,
  own: readonly Prefix[],
  device: string,
): Generator<Route> {
  const family = familyOf(destination);
  const mine = own.find((cidr) => familyOf(cidr) === family);
  const common = { destination, protocol: ROUTE_PROTOCOL };
  yield {
    ...common,
    type: "unreachable",
    device: undefined,
    source: undefined,
    metric: WORST_METRIC,
  };
  if (mine === undefined) return;
  yield {
    ...common,
    type: "unicast",
    device,
    source: firstAddress(mine),
    metric: ROUTE_METRIC[family],
  };
}

/** In the order in which they have to be set: forwarding alone would lose a router-advertised default route. */
function sysctls(
  own: readonly Prefix[],
  { raLinks }: HostFacts,
): ReadonlyMap<string, string> {
  const settings = new Map([["net/ipv4/ip_forward", "1"]]);
  if (!own.some((cidr) => familyOf(cidr) === 6)) return settings;
  for (const link of raLinks) {
    settings.set(`net/ipv6/conf/${link}/accept_ra`, "2");
  }
  return settings.set("net/ipv6/conf/all/forwarding", "1");
}

/** Bytes; `undefined`: nothing to go by, the kernel's own choice stays. */
function linkMtu(
  { config, peers, ipv6Endpoints, host }: DesiredInput,
  self: NodeRecord,
): number | undefined {
  const underlay = config.mtu === "auto" ? underlayMtu(self, host) : config.mtu;
  if (underlay === undefined) return undefined;
  const ipv6 = ipv6Endpoints ?? hasIpv6Endpoint(peers);
  const mtu = underlay - OVERHEAD[ipv6 ? 6 : 4];
  // Tunnel packets are then sent in fragments, but IPv6 is not lost.
  const least = config.clusterCidrs.some((cidr) => familyOf(cidr) === 6);
  return least ? Math.max(mtu, IPV6_MIN_MTU) : mtu;
}

function underlayMtu(
  { internalIps }: NodeRecord,
  { addresses, defaultMtu }: HostFacts,
): number | undefined {
  for (const text of internalIps) {
    const address: Address | undefined = parsed(text, parseAddress);
    const owner = addresses.find((one) => one.address === address);
    if (owner !== undefined) return owner.mtu;
  }
  return defaultMtu;
}

function hasIpv6Endpoint(
  peers: ReadonlyMap<PublicKey, Peer> | undefined,
): boolean {
  for (const { endpoint } of peers?.values() ?? []) {
    if (endpoint?.startsWith("[")) return true;
  }
  return false;
}

function parsed<T>(text: string, parse: (text: string) => T): T | undefined {
  try {
    return parse(text);
  } catch {
    return undefined; // parsers throw SyntaxError only
  }
}
