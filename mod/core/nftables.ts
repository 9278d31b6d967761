/**
 * Our own nftables table as a value: what it lets through, what it drops and
 * what it masquerades, readable as `nft` text. Pods' packets are
 *
 * - dropped where they come in from where no route leads back to their source,
 *   or would be forwarded into the tunnel with an address of this machine's;
 * - masqueraded where they leave the cluster, never between pods; and so is what
 *   the host itself sends into the tunnel from another address than a pod's
 *   (a Service's address became a remote pod's after the source was chosen);
 * - dropped where they would leave by anything but the tunnel: for a remote pod,
 *   or with a pod's source that was not masqueraded, whatever the reason
 *   (RST or FIN out of state, a connection older than this table). The guard
 *   therefore looks after NAT has been done.
 *
 * It accepts nothing: another table's drop stays in force.
 *
 * @module
 */

import { type Family, familyOf, parsePrefix, type Prefix } from "./address.ts";

/** `table inet NAME`. Its name is the mark that it is ours. */
export interface Table {
  readonly name: string;
  /** NFT_TABLE_F_DORMANT: it is there and does nothing. */
  readonly dormant: boolean;
  readonly chains: readonly Chain[];
}

export interface Chain {
  readonly name: string;
  /** "" in a chain that hangs on no hook, as somebody else may have added. */
  readonly type: string;
  readonly hook: string;
  readonly priority: number;
  readonly policy: "accept" | "drop";
  readonly rules: readonly Rule[];
}

/** All matches hold: then the verdict. */
export interface Rule {
  readonly matches: readonly Match[];
  /** "other": a rule that is none of ours, whatever it says. */
  readonly verdict: "drop" | "masquerade" | "other";
  readonly comment: string;
}

export type Match =
  | {
    readonly kind: "address";
    readonly side: "saddr" | "daddr";
    readonly prefix: Prefix;
    /** `false`: outside of the prefix. */
    readonly inside: boolean;
  }
  /** `is: false`: any other link than this one. */
  | {
    readonly kind: "output-link";
    readonly link: string;
    readonly is: boolean;
  }
  /** No route to the source by the link that it came from. */
  | { readonly kind: "no-way-back" }
  /** The source is an address of this machine. */
  | { readonly kind: "local-source" };

/** include/uapi/linux/netfilter_ipv4.h, enum nf_ip_hook_priorities */
export const RAW = -300;
export const FILTER = 0;
export const SRCNAT = 100;

/** Before other programs' source NAT: whose chain is first, decides. */
const MASQUERADE_PRIORITY = SRCNAT - 1;

/** After all source NAT, which is done at SRCNAT whatever the chains' priorities. */
const GUARD_PRIORITY = SRCNAT + 50;

/** What never leaves its link: neighbour discovery and group reports from our gateway's address. */
const ON_LINK: Readonly<Record<Family, readonly Prefix[]>> = {
  4: [parsePrefix("224.0.0.0/4")],
  6: [parsePrefix("fe80::/10"), parsePrefix("ff00::/8")],
};

export interface TableOptions {
  /** The link into the tunnel. */
  readonly link: string;
  readonly clusterCidrs: readonly Prefix[];
  /** This node's own, each inside a cluster CIDR. */
  readonly podCidrs: readonly Prefix[];
  /** `false`: pods' addresses leave the cluster as they are. */
  readonly masquerade: boolean;
}

/** Two agents on one machine have two links, and so two tables. */
export function tableName(link: string): string {
  return link;
}

export function desiredTable(options: TableOptions): Table {
  const { link, masquerade } = options;
  const ranges = options.clusterCidrs.map((cluster): Range => ({
    cluster,
    own: options.podCidrs.filter((cidr) =>
      familyOf(cidr) === familyOf(cluster)
    ),
  }));
  const chain = (
    name: string,
    hook: string,
    priority: number,
    rules: readonly Rule[],
  ): Chain => {
    const type = name === "masquerade_pods" ? "nat" : "filter";
    return { name, type, hook, priority, policy: "accept", rules };
  };
  return {
    name: tableName(link),
    dormant: false,
    chains: [
      chain("antispoof", "prerouting", RAW, ranges.map(antispoof)),
      chain("forwarded", "forward", FILTER, [forwarded(link)]),
      chain("masquerade_pods", "postrouting", MASQUERADE_PRIORITY, [
        ...ranges.flatMap((range) => fromHost(range, link)),
        ...masquerade ? ranges.flatMap(toOutside) : [],
      ]),
      chain("guard", "postrouting", GUARD_PRIORITY, [
        ...ranges.map((range) => throughTunnel(range, link)),
        ...masquerade
          ? ranges.flatMap((range) => nothingBare(range, link))
          : [],
      ]),
    ],
  };
}

/** One family's. */
interface Range {
  readonly cluster: Prefix;
  readonly own: readonly Prefix[];
}

function antispoof({ cluster }: Range): Rule {
  return {
    matches: [inside("saddr", cluster), { kind: "no-way-back" }],
    verdict: "drop",
    comment: "pod source, where no route leads back to it",
  };
}

/** The kernel itself refuses such a source in IPv4, not in IPv6. */
function forwarded(link: string): Rule {
  return {
    matches: [outputLink(link, true), { kind: "local-source" }],
    verdict: "drop",
    comment: "pod in the name of this machine",
  };
}

/** `local-source`: a pod's forged source must not get the host's identity. */
function fromHost({ own }: Range, link: string): readonly Rule[] {
  if (own.length === 0) return [];
  return [{
    matches: [
      ...own.map((cidr) => outside("saddr", cidr)),
      outputLink(link, true),
      { kind: "local-source" },
    ],
    verdict: "masquerade",
    comment: "host to remote pod of a Service",
  }];
}

function toOutside({ cluster, own }: Range): readonly Rule[] {
  return own.map((cidr) => ({
    matches: [
      inside("saddr", cidr),
      outside("daddr", cluster),
      outputLink("lo", false),
    ],
    verdict: "masquerade",
    comment: "pod to outside the cluster",
  }));
}

function throughTunnel({ cluster, own }: Range, link: string): Rule {
  return {
    matches: [
      inside("daddr", cluster),
      ...own.map((cidr) => outside("daddr", cidr)),
      outputLink(link, false),
    ],
    verdict: "drop",
    comment: "to remote pods by the tunnel only",
  };
}

function nothingBare({ cluster, own }: Range, link: string): readonly Rule[] {
  return own.map((cidr) => ({
    matches: [
      inside("saddr", cidr),
      outside("daddr", cluster),
      ...ON_LINK[familyOf(cluster)].map((range) => outside("daddr", range)),
      outputLink(link, false),
      outputLink("lo", false),
    ],
    verdict: "drop",
    comment: "pod source that was not masqueraded",
  }));
}

function inside(side: "saddr" | "daddr", prefix: Prefix): Match {
  return { kind: "address", side, prefix, inside: true };
}

function outside(side: "saddr" | "daddr", prefix: Prefix): Match {
  return { kind: "address", side, prefix, inside: false };
}

function outputLink(link: string, is: boolean): Match {
  return { kind: "output-link", link, is };
}
