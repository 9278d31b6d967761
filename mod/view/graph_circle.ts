/**
 * The graph as a circle of Nodes, with a line for each tunnel; of one node's
 * tunnels a star, itself in the middle.
 *
 * @module
 */

import {
  type Graph,
  type GraphNode,
  isMesh,
  isOutcast,
  linesOf,
  type Tunnel,
} from "./graph_model.ts";
import {
  classesOf,
  COLORS,
  DASHES,
  type Look,
  lookOf,
  MARKS,
  strokeWidth,
} from "./graph_style.ts";
import type { Body } from "./graph_svg.ts";
import { ageText, tunnelText } from "./graph_text.ts";
import { shortened, xmlText } from "./plain_text.ts";
import { bytesText } from "./units.ts";

/** Nodes that a circle holds; of more the labels would lie on each other. */
export const CIRCLE_LIMIT = 16;

const RADIUS = 13;

/** Along the circle, from one label to the next. */
const LABEL_WIDTH = 136;
const LABEL_LETTERS = 16;

/** Pixels. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** Of a Node, whose words stand where its lines do not go: away from the middle. */
interface NodePlace extends Place {
  readonly wordsAbove: boolean;
}

/** Above and below the circle, for two lines of words. */
const WORDS_HEIGHT = 50;

export function circleBody(graph: Graph): Body {
  const { nodes } = graph;
  const alone = !isMesh(graph) && nodes.length > 2;
  const own = nodes.findIndex(({ kind }) => kind !== "seen");
  const hub = alone && own >= 0 ? own : undefined;
  const around = nodes.length - (hub === undefined ? 0 : 1);
  const circle = Math.max(120, Math.round(around * LABEL_WIDTH / 2 / Math.PI));
  const middle = circle + LABEL_WIDTH / 2 + 8;
  const height = 2 * (circle + WORDS_HEIGHT);
  const centre = { x: middle, y: circle + WORDS_HEIGHT };
  const places: NodePlace[] = [];
  for (let at = 0, step = 0; at < nodes.length; at++) {
    if (at === hub) places.push({ ...centre, wordsAbove: false });
    else places.push(placeAt(step++ / around, { circle, centre }));
  }
  return {
    width: 2 * middle,
    height,
    lines: [
      ...linesOf(graph).first.map((tunnel) => tunnelLine(tunnel, places)),
      ...nodes.map((node, at) =>
        nodeLine(node, places[at] ?? { ...centre, wordsAbove: false }, {
          own: node.kind === "asked",
          outcast: isOutcast(graph, node),
          text: at === hub ? "" : noteOf(graph, { at, hub }),
        })
      ),
    ],
  };
}

/** Clockwise from the top; whole pixels, so that no two machines differ. */
function placeAt(
  turn: number,
  { centre, circle }: { readonly centre: Place; readonly circle: number },
): NodePlace {
  const angle = turn * 2 * Math.PI - Math.PI / 2;
  const y = Math.round(centre.y + circle * Math.sin(angle));
  return {
    x: Math.round(centre.x + circle * Math.cos(angle)),
    y,
    wordsAbove: y < centre.y,
  };
}

function tunnelLine(tunnel: Tunnel, places: readonly Place[]): string {
  const { a, b, state } = tunnel;
  const from = places[a] ?? { x: 0, y: 0 };
  const to = places[b] ?? from;
  const look = lookOf(state, tunnel);
  return [
    `<g class="tunnel ${classesOf(look)}" color="${COLORS[look]}">`,
    `<title>${xmlText(tunnelText(tunnel))}</title>`,
    `<line x1="${from.x}" y1="${from.y}" x2="${to.x}" y2="${to.y}" stroke="currentColor" stroke-width="${
      strokeWidth(tunnel)
    }"${dashOf(look)}/>`,
    ...markLines(look, {
      x: Math.round((from.x + to.x) / 2),
      y: Math.round((from.y + to.y) / 2),
    }),
    "</g>",
  ].join("");
}

export function dashOf(look: Look): string {
  return DASHES[look] === "" ? "" : ` stroke-dasharray="${DASHES[look]}"`;
}

export function markLines(look: Look, { x, y }: Place): readonly string[] {
  const mark = MARKS[look];
  if (mark === "") return [];
  return [
    `<circle class="mark" cx="${x}" cy="${y}" r="9" fill="#ffffff" stroke="currentColor" stroke-width="2"/>`,
    `<text x="${x}" y="${
      y + 5
    }" text-anchor="middle" font-size="13" font-weight="700" fill="currentColor">${mark}</text>`,
  ];
}

function nodeLine(
  { name, kind, ready, text, reason }: GraphNode,
  { x, y, wordsAbove }: NodePlace,
  note: {
    readonly own: boolean;
    readonly outcast: boolean;
    readonly text: string;
  },
): string {
  const ill = ready === false || kind === "silent" || note.outcast;
  const color = ill ? COLORS.down : note.own ? "#0550ae" : "#57606a";
  const state = ill ? "ill" : note.own ? "own" : "seen";
  const dash = kind === "silent" ? ' stroke-dasharray="3 3"' : "";
  const baseline = (line: 1 | 2): number => {
    if (!wordsAbove) return y + RADIUS + 1 + 15 * line;
    const below = note.text === "" ? 0 : 2 - line;
    return y - RADIUS - 8 - 15 * below;
  };
  const about = [`${name}: ${text}`, reason].filter((each) => each !== "")
    .join("; ").replace(/: $/, "");
  return [
    `<g class="node ${state}" color="${color}">`,
    `<title>${xmlText(about)}</title>`,
    `<circle class="mark" cx="${x}" cy="${y}" r="${RADIUS}" fill="#ffffff" stroke="currentColor" stroke-width="${
      note.own ? 4 : 2
    }"${dash}/>`,
    ...ill
      ? [
        `<text x="${x}" y="${
          y + 5
        }" text-anchor="middle" font-weight="700" fill="currentColor">!</text>`,
      ]
      : [],
    label(shortened(name, LABEL_LETTERS), { x, y: baseline(1) }, true),
    ...note.text === "" ? [] : [label(note.text, { x, y: baseline(2) }, false)],
    "</g>",
  ].join("");
}

/** With the ground's colour behind it: lines pass beneath. */
function label(text: string, { x, y }: Place, strong: boolean): string {
  const weight = strong ? ' font-weight="600"' : ' font-size="11"';
  return `<text class="ink label" x="${x}" y="${y}" text-anchor="middle"${weight} fill="#1f2328" stroke="#ffffff" stroke-width="4" stroke-linejoin="round" paint-order="stroke">${
    xmlText(text)
  }</text>`;
}

/** Beneath a Node's name: what its one tunnel does, or what is amiss with itself. */
function noteOf(
  graph: Graph,
  { at, hub }: { readonly at: number; readonly hub: number | undefined },
): string {
  const { nodes, tunnels } = graph;
  const node = nodes[at];
  if (node !== undefined && isOutcast(graph, node)) return "nobody's peer";
  if (node?.kind === "silent") return "gave no answer";
  if (node?.ready === false) return "not ready";
  if (hub === undefined) return "";
  const tunnel = [...tunnels].find(({ a, b }) => a === at || b === at);
  if (tunnel === undefined) return "";
  const { state, handshakeSeconds, aToBBytes, bToABytes } = tunnel;
  if (state === "absent") return "no peer";
  const age = ageText(handshakeSeconds);
  return `${state} · ${age} · ${bytesText(aToBBytes + bToABytes)}`;
}
