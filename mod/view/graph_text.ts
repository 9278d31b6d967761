/**
 * What a picture of the tunnels says, in words: for those who do not see it, and
 * beneath it.
 *
 * @module
 */

import {
  type Graph,
  type GraphNode,
  isOutcast,
  type Lines,
  LINES_LIMIT,
  linesOf,
  type Tunnel,
  TUNNEL_STATES,
  type TunnelState,
} from "./graph_model.ts";
import { bytesText, durationText } from "./units.ts";

/** Of each kind of what is amiss as many are named. */
export const TOLD = 20;

/** "12 s", or "never". */
export function ageText(handshakeSeconds: number | null): string {
  return handshakeSeconds === null ? "never" : durationText(handshakeSeconds);
}

export function stateText(state: TunnelState): string {
  return state === "absent" ? "no peer" : state;
}

/** "up, handshake 12 s ago, 3.40 MiB" */
export function tunnelText(
  { state, handshakeSeconds, aToBBytes, bToABytes, why }: Tunnel,
): string {
  if (state === "absent") return why === "" ? "no peer" : `no peer: ${why}`;
  const age = handshakeSeconds === null
    ? "no handshake"
    : `handshake ${ageText(handshakeSeconds)} ago`;
  const text = `${state}, ${age}, ${bytesText(aToBBytes + bToABytes)}`;
  return why === "" ? text : `${text}: ${why}`;
}

/** How many there are of each state, those that there are none of left out: "2 up, 1 down". */
export function countsText({ count, counts }: Lines): string {
  if (count === 0) return "no tunnels";
  return TUNNEL_STATES.filter((state) => counts[state] > 0).toReversed()
    .map((state) => `${counts[state]} ${stateText(state)}`).join(", ");
}

export interface Amiss {
  /** As a tunnel of that state is drawn. */
  readonly state: TunnelState;
  readonly text: string;
}

/** Tunnels that are broken, Nodes that are nobody's peers, and those that gave no answer. */
export function amissOf(graph: Graph): readonly Amiss[] {
  const { nodes } = graph;
  const name = (at: number): string => nodes[at]?.name ?? "";
  const outcasts = nodes.filter((node) => isOutcast(graph, node));
  const silent = nodes.filter(({ kind }) => kind === "silent");
  const { broken, counts } = linesOf(graph);
  return [
    ...told(broken, counts.down + counts.absent, (tunnel) => ({
      state: tunnel.state,
      text: `${name(tunnel.a)} and ${name(tunnel.b)}: ${tunnelText(tunnel)}`,
    })),
    ...told(outcasts, outcasts.length, ({ name, reason }) => ({
      state: "absent",
      text: `${name} is nobody's peer${reason === "" ? "" : `: ${reason}`}`,
    })),
    ...told(silent, silent.length, ({ name, text }) => ({
      state: "absent",
      text: `${name} could not be asked: ${text}`,
    })),
  ];
}

/** @param count of all, of which there may be only the first */
function told<Item>(
  some: readonly Item[],
  count: number,
  tell: (item: Item) => Amiss,
): readonly Amiss[] {
  const lines = some.slice(0, TOLD).map(tell);
  const more = count - lines.length;
  return more === 0
    ? lines
    : [...lines, { state: "absent", text: `and ${more} more` }];
}

export interface Few {
  readonly title: string;
  readonly lines: readonly Tunnel[];
  /** With their places in the graph. */
  readonly nodes: readonly (readonly [at: number, node: GraphNode])[];
}

/**
 * For those that draw each line and each Node: of too many those are left out
 * with which nothing is amiss, and it is said.
 */
export function fewOf(graph: Graph): Few {
  const { time } = graph;
  const { broken, count, first } = linesOf(graph);
  const all = count <= LINES_LIMIT;
  const lines = all ? first : broken;
  const nodes = fewNodes(graph, lines);
  const notes = [
    ...all ? [] : [`broken ones: ${broken.length} of ${count} tunnels shown`],
    ...nodes.length === graph.nodes.length
      ? []
      : [`${nodes.length} of ${graph.nodes.length} Nodes`],
  ];
  const title = [graph.title, time, ...notes].join(", ");
  return { title, lines, nodes };
}

/** Those that a line leads to, then others that somebody has to look at. */
function fewNodes(graph: Graph, lines: readonly Tunnel[]): Few["nodes"] {
  const all = [...graph.nodes.entries()];
  if (all.length <= LINES_LIMIT) return all;
  const ends = new Set(lines.flatMap(({ a, b }) => [a, b]));
  const room = all.filter(([at, node]) => !ends.has(at) && isIll(graph, node))
    .slice(0, Math.max(0, LINES_LIMIT - ends.size));
  for (const [at] of room) ends.add(at);
  return all.filter(([at]) => ends.has(at));
}

/** Has somebody to look at it? */
export function isIll(graph: Graph, node: GraphNode): boolean {
  return node.ready === false || node.kind === "silent" ||
    isOutcast(graph, node);
}

/** What the picture says, for those who do not see it: what is amiss by name. */
export function graphText(graph: Graph): string {
  const { nodes } = graph;
  const lines = linesOf(graph);
  return [
    `${nodes.length} Nodes, ${lines.count} tunnels: ${countsText(lines)}.`,
    ...amissOf(graph).map(({ text }) => `${text}.`),
  ].join(" ");
}
