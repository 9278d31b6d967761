/**
 * All Nodes and the peers that come of them, kept up to date change by change.
 *
 * What a Node holds depends on older claimants of the same keys and prefixes
 * alone. So a change is settled by asking again the Nodes it concerns, oldest
 * first, and of the younger ones only those that share a key or prefix which
 * was given or taken on the way. The result is that of `settle()` over all
 * Nodes at every moment; a property test holds the two equal.
 *
 * @module
 */

import { candidateFrom, type Own, ownFrom, type Remark } from "./candidate.ts";
import { Claims } from "./claims.ts";
import type { Config } from "./config.ts";
import type { PublicKey } from "./key.ts";
import { type NodeRecord, sameList, sameNode } from "./node.ts";
import { type Conflict, peerOf } from "./ownership.ts";
import { type Peer, samePeer } from "./state.ts";

export type PeerConfig = Pick<
  Config,
  "nodeName" | "clusterCidrs" | "listenPort"
>;

/** `node` undefined: it is gone. */
export interface NodeChange {
  readonly name: string;
  readonly node: NodeRecord | undefined;
}

/** What is amiss with a Node, as far as we are concerned. */
export interface Finding {
  /** Is it a peer all the same? */
  readonly peer: boolean;
  readonly remarks: readonly Remark[];
  readonly conflicts: readonly Conflict[];
}

/** What a change led to. */
export interface Touched {
  /** Keys whose peer came, went or changed. */
  readonly keys: ReadonlySet<PublicKey>;
  /** Names of Nodes whose finding came, went or changed. */
  readonly names: ReadonlySet<string>;
}

/** Of this many keys that were peers it is remembered whose they were, for people. */
const FORMER_LIMIT = 1000;

export class PeerIndex {
  readonly #config: PeerConfig;
  readonly #publicKey: PublicKey;
  readonly #nodes = new Map<string, NodeRecord>();
  readonly #remarks = new Map<string, readonly Remark[]>();
  readonly #findings = new Map<string, Finding>();
  readonly #peers = new Map<PublicKey, Peer>();
  readonly #former = new Map<PublicKey, string>();
  readonly #claims = new Claims();
  #own: Own | undefined;
  #listed = false;
  #ipv6Endpoints = 0;

  constructor(config: PeerConfig, publicKey: PublicKey) {
    this.#config = config;
    this.#publicKey = publicKey;
  }

  /** Every Node that there is, our own included. */
  get nodes(): ReadonlyMap<string, NodeRecord> {
    return this.#nodes;
  }

  /** Our own Node. */
  get self(): NodeRecord | undefined {
    return this.#nodes.get(this.#config.nodeName);
  }

  /** The peers that should be. `undefined` before the first list, and while our own Node is not there. */
  peers(): ReadonlyMap<PublicKey, Peer> | undefined {
    return this.#listed && this.#own !== undefined ? this.#peers : undefined;
  }

  /** Has one of the peers an IPv6 endpoint? */
  get ipv6Endpoints(): boolean {
    return this.#ipv6Endpoints > 0;
  }

  /** Nodes that are not wholly used, by name, with the reasons. */
  get findings(): ReadonlyMap<string, Finding> {
    return this.#findings;
  }

  /** Whose key this is, or was a while ago. */
  nodeOf(key: PublicKey): string | undefined {
    return this.#claims.keyOwner(key)?.name ?? this.#former.get(key);
  }

  /** A complete list: what is not in it is gone. */
  replace(nodes: readonly NodeRecord[]): Touched {
    this.#listed = true;
    const left = new Set(this.#nodes.keys());
    const changes: NodeChange[] = [];
    for (const node of nodes) {
      left.delete(node.name);
      changes.push({ name: node.name, node });
    }
    for (const name of left) changes.push({ name, node: undefined });
    return this.apply(changes);
  }

  /** How many claims all changes together had settled: the measure of their cost. */
  get asked(): number {
    return this.#claims.asked;
  }

  /** Costs what changed, whatever the number of Nodes; our own Node's changes excepted. */
  apply(changes: readonly NodeChange[]): Touched {
    let rebuild = false;
    for (const { name, node } of changes) {
      const before = this.#nodes.get(name);
      if (
        before !== undefined && node !== undefined && sameNode(before, node)
      ) {
        continue;
      }
      if (node === undefined) this.#nodes.delete(name);
      else this.#nodes.set(name, node);
      if (name === this.#config.nodeName) {
        rebuild ||= !sameSelf(before, node);
      } else if (this.#own !== undefined && !rebuild) {
        this.#judge(name, node, this.#own);
      }
    }
    if (rebuild) this.#rebuild();
    return this.#finish();
  }

  #judge(name: string, node: NodeRecord | undefined, own: Own): void {
    const judged = node && candidateFrom(node, own, this.#config);
    if (judged === undefined || judged.remarks.length === 0) {
      this.#remarks.delete(name);
    } else this.#remarks.set(name, judged.remarks);
    const candidate = judged?.kind === "candidate" ? judged : undefined;
    this.#claims.change(name, candidate);
  }

  /** Everything is measured by our own Node; while that is gone, nothing new is said. */
  #rebuild(): void {
    const { self } = this;
    this.#own = self && ownFrom(self, this.#publicKey);
    if (this.#own === undefined) return;
    const gone = [...this.#claims.names, ...this.#remarks.keys()];
    for (const name of [...gone, ...this.#nodes.keys()]) {
      if (name === this.#config.nodeName) continue;
      this.#judge(name, this.#nodes.get(name), this.#own);
    }
  }

  #finish(): Touched {
    const keys = new Set<PublicKey>();
    const names = new Set<string>();
    if (this.#own === undefined) return { keys, names };
    const dirty = this.#claims.settle();
    for (const key of dirty.keys) if (this.#refreshPeer(key)) keys.add(key);
    for (const name of dirty.names) {
      if (this.#refreshFinding(name)) names.add(name);
    }
    return { keys, names };
  }

  /** @returns whether the peer came, went or changed */
  #refreshPeer(key: PublicKey): boolean {
    const name = this.#claims.keyOwner(key)?.name;
    const holding = name === undefined ? undefined : this.#claims.holding(name);
    const peer = holding && peerOf(holding);
    const before = this.#peers.get(key);
    if (samePeer(peer, before)) return false;
    this.#ipv6Endpoints += Number(isIpv6(peer)) - Number(isIpv6(before));
    if (peer === undefined) this.#peers.delete(key);
    else this.#peers.set(key, peer);
    if (name !== undefined) this.#remember(key, name);
    return true;
  }

  /** The oldest are forgotten first. */
  #remember(key: PublicKey, name: string): void {
    this.#former.delete(key);
    this.#former.set(key, name);
    const [oldest] = this.#former.keys();
    if (this.#former.size > FORMER_LIMIT && oldest !== undefined) {
      this.#former.delete(oldest);
    }
  }

  /** @returns whether the finding came, went or changed */
  #refreshFinding(name: string): boolean {
    const holding = this.#claims.holding(name);
    const finding: Finding = {
      peer: holding !== undefined && holding.prefixes.length > 0,
      remarks: this.#remarks.get(name) ?? [],
      conflicts: holding?.conflicts ?? [],
    };
    const before = this.#findings.get(name);
    const texts = findingTexts(finding);
    if (texts.length > 0) this.#findings.set(name, finding);
    else this.#findings.delete(name);
    return !sameList(texts, before === undefined ? [] : findingTexts(before));
  }
}

/** The sentences of a finding. */
export function findingTexts(finding: Finding): readonly string[] {
  return [...finding.remarks, ...finding.conflicts].map(({ text }) => text);
}

function isIpv6(peer: Peer | undefined): boolean {
  return peer?.endpoint?.startsWith("[") ?? false;
}

/** Does nothing that the others are measured by differ? */
function sameSelf(
  a: NodeRecord | undefined,
  b: NodeRecord | undefined,
): boolean {
  if (a === undefined || b === undefined) return a === b;
  return sameList(a.internalIps, b.internalIps) &&
    sameList(a.podCidrs, b.podCidrs);
}
