/**
 * What a picture of the tunnels shows: Nodes, and between two of them what those
 * that could be asked say of each other. How it is made is in `graph_mesh.ts`, how
 * it is drawn is for others.
 *
 * @module
 */

import type { Opinion } from "../core/opinion.ts";
import { WORDS } from "../core/opinion_table.ts";
import type { PeerState } from "../core/peer_state.ts";

/** Of `Graph.schema`. */
export const GRAPH_SCHEMA = 1;

/** `absent`: one of the two does not have the other as a peer. Worst first. */
export const TUNNEL_STATES = ["down", "absent", "idle", "up"] as const;

export type TunnelState = PeerState | "absent";

export interface GraphNode {
  readonly name: string;
  /** `asked`: its agent told us; `silent`: it could not be asked; `seen`: others speak of it. */
  readonly kind: "asked" | "silent" | "seen";
  /** Does its agent say that all is well? `null`: it said nothing. */
  readonly ready: boolean | null;
  /** "OK, 12 peers", or why it could not be asked, or "". */
  readonly text: string;
  /** Does another that was asked have it as a peer? `null`: no other was asked. */
  readonly peer: boolean | null;
  /** Why nobody has it as a peer, in a sentence; "" where somebody has. */
  readonly reason: string;
}

export interface Tunnel {
  /** Places in `nodes`; the first is the smaller one. */
  readonly a: number;
  readonly b: number;
  /** The worse one, where both have said something. */
  readonly state: TunnelState;
  /** What `a` says of `b`, and `b` of `a`. */
  readonly aSays: Opinion;
  readonly bSays: Opinion;
  /** Since the youngest handshake. `null`: there has been none. */
  readonly handshakeSeconds: number | null;
  /** Bytes from `a` to `b` and back, as the one who knows of more of them has it. */
  readonly aToBBytes: number;
  readonly bToABytes: number;
  /** Why it is broken, in sentences; "" where nothing is amiss. */
  readonly why: string;
}

export interface Graph {
  readonly schema: number;
  readonly title: string;
  /** RFC 3339, UTC. */
  readonly time: string;
  /** Sorted by name. */
  readonly nodes: readonly GraphNode[];
  readonly tunnels: Tunnels;
}

/** Sorted by both places. Two Nodes of which neither was asked have none. */
export interface Tunnels extends Iterable<Tunnel> {
  /** The same in numbers, for there may be millions; the object is one, and changes. */
  eachPair(visit: (pair: Pair) => void): void;
  tunnel(pair: Pick<Pair, "a" | "b">): Tunnel;
  /** As a tunnel has it. */
  handshakeSeconds(pair: Pick<Pair, "a" | "b">): number | null;
}

export interface Pair extends Pick<Tunnel, "a" | "b"> {
  /** Places in `WORDS` of what `a` says of `b`, and `b` of `a`. */
  readonly aCode: number;
  readonly bCode: number;
}

/** The worse one, where both have said something. */
export function stateOf(
  { aCode, bCode }: Pick<Pair, "aCode" | "bCode">,
): TunnelState {
  const word = WORDS[Math.max(aCode, bCode)] ?? "unasked";
  return word === "unasked" ? "up" : word;
}

/** Is it one that somebody has to look at? */
export function isBroken({ state }: Pick<Tunnel, "state">): boolean {
  return state === "down" || state === "absent";
}

/**
 * Where many were asked, a Node that is nobody's peer is told of once, and not
 * by a line from each.
 */
export function isOutcast(graph: Graph, node: GraphNode): boolean {
  return node.peer === false && isMesh(graph);
}

/** Was more than one Node to be asked? */
export function isMesh({ nodes }: Graph): boolean {
  let reported = 0;
  for (const { kind } of nodes) {
    if (kind !== "seen" && ++reported > 1) return true;
  }
  return false;
}

/** Lines that programs still arrange in seconds, and Mermaid draws at all. */
export const LINES_LIMIT = 500;

/** What is drawn as lines, and told one by one: without those of outcasts. */
export interface Lines {
  readonly count: number;
  readonly counts: Readonly<Record<TunnelState, number>>;
  /** As many as `LINES_LIMIT` of each. */
  readonly first: readonly Tunnel[];
  readonly broken: readonly Tunnel[];
}

const known = new WeakMap<Graph, Lines>();

export function linesOf(graph: Graph): Lines {
  const lines = known.get(graph) ?? findLines(graph);
  known.set(graph, lines);
  return lines;
}

function findLines(graph: Graph): Lines {
  const { nodes, tunnels } = graph;
  const mesh = isMesh(graph);
  const outcast = nodes.map(({ peer }) => mesh && peer === false);
  const counts = { up: 0, idle: 0, absent: 0, down: 0 };
  const first: Tunnel[] = [];
  const broken: Tunnel[] = [];
  let count = 0;
  tunnels.eachPair((pair) => {
    if (outcast[pair.a] || outcast[pair.b]) return;
    const state = stateOf(pair);
    count++;
    counts[state]++;
    if (first.length < LINES_LIMIT) first.push(tunnels.tunnel(pair));
    if (broken.length < LINES_LIMIT && isBroken({ state })) {
      broken.push(tunnels.tunnel(pair));
    }
  });
  return { count, counts, first, broken };
}
