/**
 * The Nodes as the API server last told them, in one place. A Node that changed
 * in nothing that is used reaches nobody; a Node that did not change keeps its
 * record, so that `===` tells.
 *
 * @module
 */

import { type NodeRecord, type NodeSink, sameNode } from "../core/node.ts";
import type { Known } from "../wire/node_protobuf.ts";

/** A complete list on its way: the records by name, and what they were made from. */
export class Listing {
  readonly nodes = new Map<string, NodeRecord>();
  readonly fingerprints = new Map<string, number>();

  static of(nodes: Iterable<NodeRecord>): Listing {
    const listing = new Listing();
    for (const node of nodes) listing.set(node);
    return listing;
  }

  get size(): number {
    return this.nodes.size;
  }

  /** @param fingerprint `undefined`: of none, the next event is read in full */
  set(node: NodeRecord, fingerprint?: number): void {
    this.nodes.set(node.name, node);
    if (fingerprint === undefined) this.fingerprints.delete(node.name);
    else this.fingerprints.set(node.name, fingerprint);
  }

  /** @returns was it there? */
  delete(name: string): boolean {
    this.fingerprints.delete(name);
    return this.nodes.delete(name);
  }
}

export class NodeStore implements Known {
  readonly #sink: NodeSink;
  #held = new Listing();

  constructor(sink: NodeSink) {
    this.#sink = sink;
  }

  get size(): number {
    return this.#held.nodes.size;
  }

  get(name: string): NodeRecord | undefined {
    return this.#held.nodes.get(name);
  }

  fingerprint(name: string): number | undefined {
    return this.#held.fingerprints.get(name);
  }

  /** A complete list. */
  replace(listing: Listing): void {
    for (const node of listing.nodes.values()) {
      const before = this.get(node.name);
      if (before !== undefined && sameNode(before, node)) {
        listing.nodes.set(node.name, before);
      }
    }
    this.#held = listing;
    this.#sink.replace([...listing.nodes.values()]);
  }

  /** @param fingerprint of what the record was made from, if known */
  upsert(node: NodeRecord, fingerprint?: number): void {
    const before = this.get(node.name);
    const same = before !== undefined && sameNode(before, node);
    this.#held.set(same ? before : node, fingerprint);
    if (!same) this.#sink.upsert(node);
  }

  remove(name: string): void {
    if (this.#held.delete(name)) this.#sink.remove(name);
  }
}
