/**
 * The Nodes as the watch tells them, and what of it the loop has not looked at
 * yet. Rings the bells; decides nothing (`core/peer_index.ts` does).
 *
 * @module
 */

import type { PublicKey } from "../core/key.ts";
import {
  type NodeRecord,
  type NodeSink,
  sameForNetwork,
} from "../core/node.ts";
import type { Finding, PeerIndex, Touched } from "../core/peer_index.ts";
import type { Peer } from "../core/state.ts";

/** What is new about a Node, for people. */
export interface News {
  readonly node: string;
  /** `undefined`: nothing is amiss any more. */
  readonly finding: Finding | undefined;
}

export interface NodesOptions {
  readonly index: PeerIndex;
  /** Called after a change that the loop should see; must not throw. */
  readonly ring: () => void;
  /** Called after our own Node has changed. */
  readonly ringSelf: () => void;
  /** Called after another Node has published another key than before. */
  readonly keyChanged?: () => void;
  /** Called after peers or findings have changed; must not throw. */
  readonly touched?: (touched: Touched) => void;
}

export class Nodes implements NodeSink {
  readonly #options: NodesOptions;
  #touched = new Set<PublicKey>();
  #names = new Set<string>();
  #selfChanged = false;
  #listed = false;

  constructor(options: NodesOptions) {
    this.#options = options;
  }

  /** Has a complete list arrived in this process? */
  get listed(): boolean {
    return this.#listed;
  }

  /** How many Nodes there are, our own included. */
  get count(): number {
    return this.#options.index.nodes.size;
  }

  /** Nodes that are not wholly used, by name, with the reasons. */
  get findings(): ReadonlyMap<string, Finding> {
    return this.#options.index.findings;
  }

  /** Every one of them, our own included. */
  all(): Iterable<NodeRecord> {
    return this.#options.index.nodes.values();
  }

  self(): NodeRecord | undefined {
    return this.#options.index.self;
  }

  /** `undefined`: nothing can be said about peers yet. */
  peers(): ReadonlyMap<PublicKey, Peer> | undefined {
    return this.#options.index.peers();
  }

  /** Has one of the peers an IPv6 endpoint? */
  ipv6Endpoints(): boolean {
    return this.#options.index.ipv6Endpoints;
  }

  nodeOf(key: PublicKey): string | undefined {
    return this.#options.index.nodeOf(key);
  }

  replace(nodes: readonly NodeRecord[]): void {
    for (const node of nodes) this.#lookAtKey(node);
    const first = !this.#listed;
    this.#listed = true;
    this.#change(() => this.#options.index.replace(nodes), first);
  }

  upsert(node: NodeRecord): void {
    this.#lookAtKey(node);
    this.#change(() => this.#options.index.apply([{ name: node.name, node }]));
  }

  remove(name: string): void {
    this.#change(() => this.#options.index.apply([{ name, node: undefined }]));
  }

  /** Keys whose peers have come, gone or changed since the last call. */
  takeTouched(): ReadonlySet<PublicKey> {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  /** Will the next `takeTouched()` give this key? */
  isTouched(key: PublicKey): boolean {
    return this.#touched.has(key);
  }

  takeSelfChanged(): boolean {
    const changed = this.#selfChanged;
    this.#selfChanged = false;
    return changed;
  }

  takeNews(): readonly News[] {
    const { index } = this.#options;
    const news = [...this.#names].map((node) => ({
      node,
      finding: index.findings.get(node),
    }));
    this.#names = new Set();
    return news;
  }

  #lookAtKey({ name, publicKey }: NodeRecord): void {
    const before = this.#options.index.nodes.get(name)?.publicKey;
    const changed = before !== undefined && publicKey !== undefined &&
      before !== publicKey;
    if (changed) this.#options.keyChanged?.();
  }

  #change(act: () => Touched, always = false): void {
    const before = this.self();
    const touched = act();
    const { keys, names } = touched;
    if (keys.size > 0 || names.size > 0) this.#options.touched?.(touched);
    for (const key of keys) this.#touched.add(key);
    for (const name of names) this.#names.add(name);
    const self = this.self();
    if (self !== before || always) this.#options.ringSelf();
    // What is written there about the network makes no other network.
    const same = self === before ||
      self !== undefined && before !== undefined &&
        sameForNetwork(self, before);
    const selfChanged = always || !same;
    this.#selfChanged ||= selfChanged;
    if (selfChanged || keys.size > 0 || names.size > 0) this.#options.ring();
  }
}
