/**
 * What the agent keeps of a Kubernetes Node: one small record, decoded at the
 * edge in one place (`wire/node_json.ts`). All of it is text as another party
 * wrote it; `core/candidate.ts` decides what of it can be used.
 *
 * @module
 */

import { type NetworkCondition, sameCondition } from "./node_condition.ts";

/** Lists longer than this are cut by the decoder; a Node that has such a list is not usable. */
export const NODE_LIST_LIMIT = 16;

export interface NodeRecord {
  readonly name: string;
  readonly uid: string;
  /** `metadata.creationTimestamp`, RFC 3339 in UTC as the API server writes it: sorts as text. */
  readonly created: string;
  /** The annotation with the public key, as it stands; `undefined`: absent. */
  readonly publicKey: string | undefined;
  /** `status.addresses` of type InternalIP, in their order. */
  readonly internalIps: readonly string[];
  /** `spec.podCIDRs` (else the one `spec.podCIDR`), in their order. */
  readonly podCidrs: readonly string[];
  /** The condition `NetworkUnavailable`: of our own Node alone; absent: it has none. */
  readonly networkCondition?: NetworkCondition | undefined;
}

/** Where the reflector puts what it learns. Never throws, never blocks. */
export interface NodeSink {
  /** A complete, consistent list: what is not in it is gone. */
  replace(nodes: readonly NodeRecord[]): void;
  upsert(node: NodeRecord): void;
  remove(name: string): void;
}

export function sameNode(a: NodeRecord, b: NodeRecord): boolean {
  return sameForNetwork(a, b) &&
    sameCondition(a.networkCondition, b.networkCondition);
}

/** Same in all that links, routes and peers are made from. */
export function sameForNetwork(a: NodeRecord, b: NodeRecord): boolean {
  return a.name === b.name && a.uid === b.uid && a.created === b.created &&
    a.publicKey === b.publicKey && sameList(a.internalIps, b.internalIps) &&
    sameList(a.podCidrs, b.podCidrs);
}

export function sameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
