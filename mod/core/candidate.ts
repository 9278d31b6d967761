/**
 * What of another Node can be used: a public key, an endpoint, podCIDRs. Looks
 * at that Node, our own and the configuration, never at a third; who wins when
 * two Nodes claim the same is `ownership.ts`.
 *
 * Whatever a Node says, it costs that Node alone: nothing here throws.
 *
 * @module
 */

import {
  type Address,
  contains,
  endpointText,
  type Family,
  familyOf,
  overlaps,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "./address.ts";
import type { Config } from "./config.ts";
import { parsePublicKey, type PublicKey } from "./key.ts";
import { NODE_LIST_LIMIT, type NodeRecord } from "./node.ts";
import { isSubdomain } from "./option_values.ts";
import { specialUse } from "./ranges.ts";

export type ClusterConfig = Pick<Config, "clusterCidrs" | "listenPort">;

/** What of ourselves the others are measured by. */
export interface Own {
  readonly publicKey: PublicKey;
  readonly name: string;
  readonly internalIps: readonly Address[];
  /** Every podCIDR of ours that can be read, usable or not. */
  readonly podCidrs: readonly Prefix[];
}

/** A Node that has all that a peer needs. */
export interface Candidate {
  readonly kind: "candidate";
  readonly name: string;
  readonly uid: string;
  readonly created: string;
  readonly publicKey: PublicKey;
  readonly endpoint: string;
  readonly endpointFamily: Family;
  /** Sorted as text; none holds another. At least one. */
  readonly prefixes: readonly Prefix[];
  /** What of it was left out. */
  readonly remarks: readonly Remark[];
}

/** A Node that cannot be a peer. */
export interface Skip {
  readonly kind: "skip";
  readonly name: string;
  /** The first of the reasons, for a metric. */
  readonly code: RemarkCode;
  readonly remarks: readonly Remark[];
}

export interface Remark {
  readonly code: RemarkCode;
  /** A sentence: what, where, and where it is not plain, what to do. */
  readonly text: string;
}

export type RemarkCode =
  | "bad-name"
  | "no-key"
  | "bad-key"
  | "own-key"
  | "no-internal-ip"
  | "bad-endpoint"
  | "no-pod-cidrs"
  | "too-many"
  | "bad-pod-cidr"
  | "outside-cluster-cidr"
  | "too-wide"
  | "own-pod-cidr";

/** Our own Node as far as it can be read. */
export function ownFrom(self: NodeRecord, publicKey: PublicKey): Own {
  return {
    publicKey,
    name: self.name,
    internalIps: readable(self.internalIps, parseAddress),
    podCidrs: readable(self.podCidrs, parsePrefix),
  };
}

/** Judge another Node (I15–I17, I19, I21, I22). */
export function candidateFrom(
  node: NodeRecord,
  own: Own,
  config: ClusterConfig,
): Candidate | Skip {
  const key = keyOf(node, own);
  const endpoint = endpointOf(node, own, config);
  const { prefixes, remarks } = prefixesOf(node, own, config);
  const bad = [identity(node), key, endpoint].filter((part) => isRemark(part));
  if (
    bad.length > 0 || isRemark(key) || isRemark(endpoint) ||
    prefixes.length === 0
  ) {
    const all = [...bad, ...remarks];
    const code = all[0]?.code ?? "no-pod-cidrs";
    return { kind: "skip", name: node.name, code, remarks: all };
  }
  return {
    kind: "candidate",
    name: node.name,
    uid: node.uid,
    created: node.created,
    publicKey: key,
    endpoint: endpointText(endpoint, config.listenPort),
    endpointFamily: familyOf(endpoint),
    prefixes,
    remarks,
  };
}

/** Who claims first: the older Node, by creation, then UID, then name; one without a date is last. */
export function compareAge(a: Claimant, b: Claimant): number {
  return compare(a.created || "~", b.created || "~") ||
    compare(a.uid, b.uid) || compare(a.name, b.name);
}

export type Claimant = Pick<Candidate, "name" | "uid" | "created">;

function identity({ name, podCidrs, internalIps }: NodeRecord): Remark | null {
  if (!isSubdomain(name)) {
    return remark("bad-name", `${quote(name)} is no name that a Node can have`);
  }
  const longest = Math.max(podCidrs.length, internalIps.length);
  if (longest <= NODE_LIST_LIMIT) return null;
  return remark(
    "too-many",
    `Node ${name} has more than ${NODE_LIST_LIMIT} podCIDRs or addresses`,
  );
}

function keyOf({ name, publicKey }: NodeRecord, own: Own): PublicKey | Remark {
  if (publicKey === undefined) {
    return remark(
      "no-key",
      `Node ${name} has published no public key yet: does clusternet run there?`,
    );
  }
  if (publicKey === own.publicKey) {
    return remark(
      "own-key",
      `Node ${name} has published this node's own public key: was its disk or ` +
        "key file copied? Remove the key file there and restart its agent",
    );
  }
  try {
    return parsePublicKey(publicKey);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return remark("bad-key", `Node ${name}: ${why}`);
  }
}

/** The InternalIP of our own first one's family if the Node has such, else of the other. */
function endpointOf(
  { name, internalIps }: NodeRecord,
  own: Own,
  { clusterCidrs }: ClusterConfig,
): Address | Remark {
  const [first] = own.internalIps;
  const family = first === undefined ? undefined : familyOf(first);
  const usable: Address[] = [];
  let reason: string | undefined;
  for (const text of internalIps.slice(0, NODE_LIST_LIMIT)) {
    const why = unfitEndpoint(text, own, clusterCidrs);
    if (typeof why !== "string") usable.push(why.address);
    else reason ??= `Node ${name} has the InternalIP ${quote(text)}, ${why}`;
  }
  const best = usable.find((address) => familyOf(address) === family) ??
    usable[0];
  if (best !== undefined) return best;
  return reason === undefined
    ? remark("no-internal-ip", `Node ${name} has no InternalIP`)
    : remark("bad-endpoint", reason);
}

function unfitEndpoint(
  text: string,
  { internalIps }: Own,
  clusterCidrs: readonly Prefix[],
): string | { readonly address: Address } {
  const [address] = readable([text], parseAddress);
  if (address === undefined) return "which is no address";
  const use = specialUse(address);
  if (use !== undefined) return `a ${use} address`;
  if (internalIps.includes(address)) return "which is this node's own";
  const cidr = clusterCidrs.find((one) => contains(one, address));
  if (cidr === undefined) return { address };
  return `inside the cluster CIDR ${cidr}: tunnels cannot run through themselves`;
}

function prefixesOf(
  { name, podCidrs }: NodeRecord,
  own: Own,
  { clusterCidrs }: ClusterConfig,
): { readonly prefixes: readonly Prefix[]; readonly remarks: Remark[] } {
  if (podCidrs.length === 0) {
    const text = `Node ${name} has no podCIDRs yet`;
    return { prefixes: [], remarks: [remark("no-pod-cidrs", text)] };
  }
  const good: Prefix[] = [];
  const remarks: Remark[] = [];
  for (const text of podCidrs.slice(0, NODE_LIST_LIMIT)) {
    const judged = podCidr(text, own, clusterCidrs);
    if (typeof judged === "string") good.push(judged);
    else {
      const sentence = `Node ${name} has the podCIDR ${
        quote(text)
      }, ${judged.text}`;
      remarks.push(remark(judged.code, sentence));
    }
  }
  return { prefixes: widest(good), remarks };
}

function podCidr(
  text: string,
  own: Own,
  clusterCidrs: readonly Prefix[],
): Prefix | Remark {
  const [prefix] = readable([text], parsePrefix);
  if (prefix === undefined) return remark("bad-pod-cidr", "which is no prefix");
  if (clusterCidrs.some((cidr) => contains(prefix, cidr))) {
    return remark("too-wide", "which is as wide as the cluster CIDR or wider");
  }
  if (!clusterCidrs.some((cidr) => contains(cidr, prefix))) {
    return remark(
      "outside-cluster-cidr",
      `outside the cluster CIDR ${clusterCidrs.join(", ")}`,
    );
  }
  const mine = own.podCidrs.find((one) => overlaps(one, prefix));
  if (mine === undefined) return prefix;
  return remark("own-pod-cidr", `which overlaps this node's own ${mine}`);
}

/** Without duplicates and without those inside another; sorted as text. */
function widest(prefixes: readonly Prefix[]): readonly Prefix[] {
  return [...new Set(prefixes)].filter((inner, _, all) =>
    !all.some((outer) => outer !== inner && contains(outer, inner))
  ).toSorted();
}

/** Those of them that the parser takes; what it throws for the others is not told. */
export function readable<T>(
  texts: readonly string[],
  parse: (text: string) => T,
): readonly T[] {
  return texts.flatMap((text) => {
    try {
      return [parse(text)];
    } catch {
      return []; // parsers throw SyntaxError only; the caller says what is wrong
    }
  });
}

function isRemark(value: string | Remark | null): value is Remark {
  return value !== null && typeof value === "object";
}

function remark(code: RemarkCode, text: string): Remark {
  return { code, text };
}

/** Text of somebody else's, short and in one line. */
function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
