/**
 * A whole cluster, as all its agents see it side by side: what each says of every
 * other, and who cannot reach whom.
 *
 * @module
 */

import type { NodeRecord } from "./node.ts";
import type { PeerState } from "./peer_state.ts";
import type { PeerStatus, Status } from "./status.ts";

export interface ClusterView {
  /** The API server, for people. */
  readonly server: string;
  /** When it was gathered: RFC 3339, UTC. */
  readonly time: string;
  /** Of the public key. */
  readonly annotation: string;
  /** Sorted by the Node's name. */
  readonly nodes: readonly NodeView[];
}

export interface NodeView {
  readonly node: NodeRecord;
  readonly answer: NodeAnswer;
}

export type NodeAnswer =
  | { readonly kind: "status"; readonly status: Status }
  /** A sentence, or the end of one: why it could not be asked. */
  | { readonly kind: "none"; readonly why: string };

/**
 * What one Node's agent says of another Node.
 *
 * - `up`, `idle`, `down`: it is a peer, and in that state
 * - `absent`: it is none
 * - `unasked`: the agent could not be asked
 */
export type Opinion = {
  readonly word: PeerState | "absent" | "unasked";
  /** Why, for people; "" where there is nothing to say. */
  readonly why: string;
};

/** Two Nodes of which at least one says that it cannot reach the other. */
export interface Break {
  /** Names; `a` sorts before `b`. */
  readonly a: string;
  readonly b: string;
  /** What `a` says of `b`, and `b` of `a`. */
  readonly aSays: Opinion;
  readonly bSays: Opinion;
}

/** Asks by name, in constant time. */
export class Opinions {
  readonly #why: string | undefined;
  readonly #peers: ReadonlyMap<string, PeerStatus>;
  readonly #reasons: ReadonlyMap<string, string>;
  readonly #status: Status | undefined;

  constructor({ answer }: Pick<NodeView, "answer">) {
    this.#status = answer.kind === "status" ? answer.status : undefined;
    this.#why = answer.kind === "none" ? answer.why : undefined;
    this.#peers = new Map(
      this.#status?.peers.map((peer) => [peerName(peer), peer]),
    );
    this.#reasons = new Map(
      this.#status?.findings.map(({ node, reasons }) => [
        node,
        reasons.map(({ text }) => text).join("; "),
      ]),
    );
  }

  of(name: string): Opinion {
    if (this.#why !== undefined) return { word: "unasked", why: this.#why };
    const peer = this.#peers.get(name);
    if (peer === undefined) {
      return { word: "absent", why: this.#absence(name) };
    }
    const why = peer.state === "down" ? peer.probe?.failure ?? "" : "";
    return { word: peer.state, why };
  }

  /** As it counts what goes to and fro; `undefined`: it is no peer. */
  peer(name: string): PeerStatus | undefined {
    return this.#peers.get(name);
  }

  /** Does it speak of it at all? */
  knows(name: string): boolean {
    return this.#peers.has(name) || this.#reasons.has(name);
  }

  #absence(name: string): string {
    const known = this.#reasons.get(name);
    if (known !== undefined) return known;
    if (this.#status?.link === null) return "it has no link";
    return this.#status?.api.synced === false
      ? "it has no complete list of Nodes yet"
      : "it does not know that Node";
  }
}

/** A peer whose Node is not known goes by its key: no Node has such a name. */
export function peerName({ node, publicKey }: PeerStatus): string {
  return node ?? `key ${publicKey}`;
}

/** Sorted by both names. Two that could not be asked say nothing of each other. */
export function breaks({ nodes }: ClusterView): readonly Break[] {
  const opinions = nodes.map((view) => ({
    name: view.node.name,
    opinions: new Opinions(view),
  }));
  const found: Break[] = [];
  for (const [at, a] of opinions.entries()) {
    for (const b of opinions.slice(at + 1)) {
      const aSays = a.opinions.of(b.name);
      const bSays = b.opinions.of(a.name);
      if (isBreak(aSays) || isBreak(bSays)) {
        found.push({ a: a.name, b: b.name, aSays, bSays });
      }
    }
  }
  return found;
}

/** Does it say that there is no way? */
export function isBreak({ word }: Opinion): boolean {
  return word === "down" || word === "absent";
}
