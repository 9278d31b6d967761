/**
 * The reflector's view of an API server, without HTTP and without time: each
 * list and each watch is answered as the test says, and is written down.
 *
 * @module
 */

import type { NodeRecord, NodeSink } from "../../mod/core/node.ts";
import type {
  ListQuery,
  NodeLister,
  WatchQuery,
} from "../../mod/sys/kube_client.ts";
import type { NodeWatch } from "../../mod/sys/node_watch.ts";
import type { NodePage, WatchEvent } from "../../mod/wire/node_json.ts";

export type Asked =
  | { readonly kind: "list"; readonly query: ListQuery }
  | { readonly kind: "watch"; readonly query: WatchQuery };

/** A watch that the test feeds. */
export class FakeWatch implements NodeWatch {
  closed = false;
  #batches: (readonly WatchEvent[])[] = [];
  #end: { readonly error?: unknown } | undefined;
  #wake = Promise.withResolvers<void>();

  send(...events: readonly WatchEvent[]): this {
    this.#batches.push(events);
    this.#wake.resolve();
    return this;
  }

  /** A clean end, or an error once all that was sent is read. */
  end(error?: unknown): this {
    this.#end = error === undefined ? {} : { error };
    this.#wake.resolve();
    return this;
  }

  async read(): Promise<readonly WatchEvent[] | undefined> {
    for (;;) {
      if (this.closed) return undefined;
      const batch = this.#batches.shift();
      if (batch !== undefined) return batch;
      if (this.#end !== undefined) {
        if ("error" in this.#end) throw this.#end.error;
        return undefined;
      }
      this.#wake = Promise.withResolvers<void>();
      await this.#wake.promise;
    }
  }

  close(): void {
    this.closed = true;
    this.#wake.resolve();
  }
}

/** Answers in the order in which they were given; then watches that stay silent. */
export class FakeLister implements NodeLister {
  readonly asked: Asked[] = [];
  readonly watches: FakeWatch[] = [];
  readonly #onWatch: (FakeWatch | Error)[] = [];
  readonly #onList: (NodePage | Error)[] = [];

  onWatch(...answers: readonly (FakeWatch | Error)[]): this {
    this.#onWatch.push(...answers);
    return this;
  }

  onList(...answers: readonly (NodePage | Error)[]): this {
    this.#onList.push(...answers);
    return this;
  }

  count(kind: Asked["kind"]): number {
    return this.asked.filter((asked) => asked.kind === kind).length;
  }

  listPage(query: ListQuery, signal: AbortSignal): Promise<NodePage> {
    signal.throwIfAborted();
    this.asked.push({ kind: "list", query });
    const answer = this.#onList.shift() ??
      { nodes: [], resourceVersion: "1", continueToken: "" };
    return answer instanceof Error
      ? Promise.reject(answer)
      : Promise.resolve(answer);
  }

  watch(query: WatchQuery, signal: AbortSignal): Promise<NodeWatch> {
    signal.throwIfAborted();
    this.asked.push({ kind: "watch", query });
    const answer = this.#onWatch.shift() ?? new FakeWatch();
    if (answer instanceof Error) return Promise.reject(answer);
    this.watches.push(answer);
    return Promise.resolve(answer);
  }
}

/** Keeps what it is told, and how. */
export class FakeSink implements NodeSink {
  readonly calls: string[] = [];
  readonly nodes = new Map<string, NodeRecord>();

  replace(nodes: readonly NodeRecord[]): void {
    this.calls.push(
      `replace ${nodes.map(({ name }) => name).join(" ")}`.trim(),
    );
    this.nodes.clear();
    for (const node of nodes) this.nodes.set(node.name, node);
  }

  upsert(node: NodeRecord): void {
    this.calls.push(`upsert ${node.name}`);
    this.nodes.set(node.name, node);
  }

  remove(name: string): void {
    this.calls.push(`remove ${name}`);
    this.nodes.delete(name);
  }
}
