/**
 * What a picture of the tunnels says, in words: for those who do not see it, and
 * beneath it.
 *
 * @module
 */

import {
  type Graph,
  isBroken,
  isOutcast,
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
export function countsText(tunnels: readonly Tunnel[]): string {
  const counts = TUNNEL_STATES.map((state) => ({
    state,
    count: tunnels.filter((tunnel) => tunnel.state === state).length,
  })).filter(({ count }) => count > 0).reverse();
  if (counts.length === 0) return "no tunnels";
  return counts.map(({ state, count }) => `${count} ${stateText(state)}`)
    .join(", ");
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
  return [
    ...told(linesOf(graph).filter(isBroken), (tunnel) => ({
      state: tunnel.state,
      text: `${name(tunnel.a)} and ${name(tunnel.b)}: ${tunnelText(tunnel)}`,
    })),
    ...told(outcasts, ({ name, reason }) => ({
      state: "absent",
      text: `${name} is nobody's peer${reason === "" ? "" : `: ${reason}`}`,
    })),
    ...told(silent, ({ name, text }) => ({
      state: "absent",
      text: `${name} could not be asked: ${text}`,
    })),
  ];
}

function told<Item>(
  all: readonly Item[],
  tell: (item: Item) => Amiss,
): readonly Amiss[] {
  const some = all.slice(0, TOLD).map(tell);
  const more = all.length - some.length;
  return more === 0
    ? some
    : [...some, { state: "absent", text: `and ${more} more` }];
}

/** Lines that programs still arrange in seconds, and Mermaid draws at all. */
export const LINES_LIMIT = 500;

/** For those that draw each line: of too many those that stand are left out, and it is said. */
export function fewLines(
  graph: Graph,
): { readonly lines: readonly Tunnel[]; readonly title: string } {
  const { title, time } = graph;
  const lines = linesOf(graph);
  if (lines.length <= LINES_LIMIT) return { lines, title: `${title}, ${time}` };
  const broken = lines.filter(isBroken).slice(0, LINES_LIMIT);
  const note = `${broken.length} of ${lines.length} tunnels shown`;
  return { lines: broken, title: `${title}, ${time}, broken ones: ${note}` };
}

/** What the picture says, for those who do not see it: what is amiss by name. */
export function graphText(graph: Graph): string {
  const { nodes } = graph;
  const tunnels = linesOf(graph);
  return [
    `${nodes.length} Nodes, ${tunnels.length} tunnels: ${countsText(tunnels)}.`,
    ...amissOf(graph).map(({ text }) => `${text}.`),
  ].join(" ");
}
