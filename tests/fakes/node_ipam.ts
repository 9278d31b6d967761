/**
 * The node IPAM of kube-controller-manager (`--allocate-node-cidrs`): each new
 * Node gets the next free range of each cluster CIDR, in a change of its own
 * after the one that made the Node (pkg/controller/nodeipam, range allocator).
 *
 * @module
 */

import {
  addressBytes,
  familyOf,
  makePrefix,
  type Prefix,
  prefixAddress,
  prefixBits,
} from "../../mod/core/address.ts";
import { podCidrs, updateNode } from "./api_nodes.ts";
import { isObject, type NodeStore } from "./api_store.ts";

export interface IpamOptions {
  readonly clusterCidrs: readonly Prefix[];
  /** Bits of a Node's range. Default 24. */
  readonly maskSize4?: number;
  /** Default 64. */
  readonly maskSize6?: number;
}

/** Ranges of one cluster CIDR: `cidr_set.go`. */
class Ranges {
  readonly #cluster: Prefix;
  readonly #bits: number;
  readonly #count: number;
  readonly #used = new Set<Prefix>();
  #next = 0;

  constructor(cluster: Prefix, bits: number) {
    this.#cluster = cluster;
    this.#bits = bits;
    this.#count = 2 ** Math.min(16, bits - prefixBits(cluster));
  }

  /** The next free one, round and round. `undefined`: none is left. */
  take(): Prefix | undefined {
    for (let tried = 0; tried < this.#count; tried++) {
      const range = this.#at(this.#next);
      this.#next = (this.#next + 1) % this.#count;
      if (this.#used.has(range)) continue;
      this.#used.add(range);
      return range;
    }
    return undefined;
  }

  occupy(range: Prefix): void {
    this.#used.add(range);
  }

  release(range: Prefix): void {
    this.#used.delete(range);
  }

  #at(index: number): Prefix {
    const bytes = addressBytes(prefixAddress(this.#cluster));
    for (let bit = 0; bit < 16; bit++) {
      if ((index & (1 << bit)) === 0) continue;
      const position = this.#bits - 1 - bit;
      bytes[position >> 3] = (bytes[position >> 3] ?? 0) |
        (0x80 >> (position & 7));
    }
    return makePrefix(bytes, this.#bits);
  }
}

/** @returns a function that stops it */
export function allocateNodeCidrs(
  store: NodeStore,
  options: IpamOptions,
): () => void {
  const sets = options.clusterCidrs.map((cidr) =>
    new Ranges(
      cidr,
      familyOf(cidr) === 4 ? options.maskSize4 ?? 24 : options.maskSize6 ?? 64,
    )
  );
  const assign = (name: string): void => {
    const node = store.get(name);
    if (node === undefined || !isObject(node.metadata)) return;
    const have = podCidrs(node);
    if (have.length > 0) {
      for (const set of sets) {
        for (const cidr of have) set.occupy(cidr as Prefix);
      }
      return;
    }
    const cidrs = sets.flatMap((set) => set.take() ?? []);
    if (cidrs.length < sets.length) return; // "CIDRNotAvailable"
    const spec = isObject(node.spec) ? node.spec : {};
    updateNode(store, name, {
      subresource: "",
      body: { ...node, spec: { ...spec, podCIDRs: cidrs } },
    });
  };
  for (const node of store.list()) {
    if (isObject(node.metadata)) assign(String(node.metadata.name));
  }
  return store.subscribe((change) => {
    if (change.type === "ADDED" && !change.raw) {
      queueMicrotask(() => assign(change.name));
    }
    if (change.type !== "DELETED") return;
    for (const set of sets) {
      for (const cidr of podCidrs(change.object)) set.release(cidr as Prefix);
    }
  });
}
