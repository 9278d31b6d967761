/**
 * The Nodes as the API server last told them, in one place. A Node that changed
 * in nothing that is used reaches nobody; a Node that did not change keeps its
 * record, so that `===` tells.
 *
 * @module
 */

import { type NodeRecord, type NodeSink, sameNode } from "../core/node.ts";

export class NodeStore {
  readonly #sink: NodeSink;
  #nodes = new Map<string, NodeRecord>();

  constructor(sink: NodeSink) {
    this.#sink = sink;
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** A complete list. */
  replace(nodes: Iterable<NodeRecord>): void {
    const next = new Map<string, NodeRecord>();
    for (const node of nodes) {
      const before = this.#nodes.get(node.name);
      const same = before !== undefined && sameNode(before, node);
      next.set(node.name, same ? before : node);
    }
    this.#nodes = next;
    this.#sink.replace([...next.values()]);
  }

  upsert(node: NodeRecord): void {
    const before = this.#nodes.get(node.name);
    if (before !== undefined && sameNode(before, node)) return;
    this.#nodes.set(node.name, node);
    this.#sink.upsert(node);
  }

  remove(name: string): void {
    if (this.#nodes.delete(name)) this.#sink.remove(name);
  }
}
