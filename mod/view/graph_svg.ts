/**
 * The graph as a picture: one node's tunnels as a star, those of a small cluster
 * as a circle, more of them as a matrix. The same graph gives the same bytes.
 *
 * Presentation attributes and classes only, no style sheet: it can be put into
 * a page whose policy allows no inline style, and be coloured there by class.
 *
 * @module
 */

import { matrixBody } from "./graph_matrix.ts";
import {
  ageText,
  type Graph,
  type GraphNode,
  graphText,
  type Tunnel,
  TUNNEL_STATES,
  type TunnelState,
  tunnelText,
} from "./graph_model.ts";
import { COLORS, DASHES, LEGEND, MARKS, strokeWidth } from "./graph_style.ts";
import { shortened, xmlText } from "./plain_text.ts";
import { bytesText } from "./units.ts";

/** Nodes that a circle holds; of more the labels would lie on each other. */
export const CIRCLE_LIMIT = 16;

/** Of a picture, or a part of it. Pixels. */
export interface Body {
  readonly width: number;
  readonly height: number;
  readonly lines: readonly string[];
}

const TITLE_HEIGHT = 60;
const LEGEND_ROW = 22;
const LEGEND_WIDTH = 350;
const RADIUS = 13;

/** Along the circle, from one label to the next. */
const LABEL_WIDTH = 136;
const LABEL_LETTERS = 16;

export function graphSvg(graph: Graph): string {
  const body = graph.nodes.length <= CIRCLE_LIMIT
    ? circleBody(graph)
    : matrixBody(graph);
  const width = Math.max(body.width, LEGEND_WIDTH, 420);
  const legend = legendLines(TITLE_HEIGHT + body.height);
  const height = TITLE_HEIGHT + body.height + legend.height;
  const left = Math.round((width - body.width) / 2);
  const { title, time } = graph;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="graph-title graph-text" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="13">`,
    `<title id="graph-title">${xmlText(title)}</title>`,
    `<desc id="graph-text">${xmlText(graphText(graph))}</desc>`,
    `<rect class="ground" width="${width}" height="${height}" fill="#ffffff"/>`,
    `<g class="ink" fill="#1f2328">`,
    `<text x="12" y="26" font-size="17" font-weight="600">${
      xmlText(shortened(title, 45))
    }</text>`,
    `<text x="12" y="46">${xmlText(time)}</text>`,
    "</g>",
    `<g transform="translate(${left} ${TITLE_HEIGHT})">`,
    ...body.lines,
    "</g>",
    ...legend.lines,
    "</svg>",
    "",
  ].join("\n");
}

interface Place {
  readonly x: number;
  readonly y: number;
}

function circleBody(graph: Graph): Body {
  const { nodes, tunnels } = graph;
  const asked = nodes.flatMap(({ kind }, at) => kind === "asked" ? [at] : []);
  const hub = asked.length === 1 && nodes.length > 2 ? asked[0] : undefined;
  const around = nodes.length - (hub === undefined ? 0 : 1);
  const circle = Math.max(120, Math.round(around * LABEL_WIDTH / 2 / Math.PI));
  const middle = circle + LABEL_WIDTH / 2 + 8;
  const height = 2 * circle + 90;
  const places: Place[] = [];
  for (let at = 0, step = 0; at < nodes.length; at++) {
    if (at === hub) places.push({ x: middle, y: circle + 24 });
    else places.push(placeAt(step++ / around, { circle, middle }));
  }
  return {
    width: 2 * middle,
    height,
    lines: [
      ...tunnels.map((tunnel) => tunnelLine(tunnel, places)),
      ...nodes.map((node, at) =>
        nodeLine(node, places[at] ?? { x: 0, y: 0 }, {
          own: node.kind === "asked",
          text: at === hub ? "" : noteOf(graph, { at, hub }),
        })
      ),
    ],
  };
}

/** Clockwise from the top; whole pixels, so that no two machines differ. */
function placeAt(
  turn: number,
  { circle, middle }: { readonly circle: number; readonly middle: number },
): Place {
  const angle = turn * 2 * Math.PI - Math.PI / 2;
  return {
    x: Math.round(middle + circle * Math.cos(angle)),
    y: Math.round(circle + 24 + circle * Math.sin(angle)),
  };
}

function tunnelLine(tunnel: Tunnel, places: readonly Place[]): string {
  const { a, b, state } = tunnel;
  const from = places[a] ?? { x: 0, y: 0 };
  const to = places[b] ?? from;
  const dash = DASHES[state] === ""
    ? ""
    : ` stroke-dasharray="${DASHES[state]}"`;
  return [
    `<g class="tunnel ${state}" color="${COLORS[state]}">`,
    `<title>${xmlText(tunnelText(tunnel))}</title>`,
    `<line x1="${from.x}" y1="${from.y}" x2="${to.x}" y2="${to.y}" stroke="currentColor" stroke-width="${
      strokeWidth(tunnel)
    }"${dash}/>`,
    ...markLines(state, {
      x: Math.round((from.x + to.x) / 2),
      y: Math.round((from.y + to.y) / 2),
    }),
    "</g>",
  ].join("");
}

function markLines(state: TunnelState, { x, y }: Place): readonly string[] {
  const mark = MARKS[state];
  if (mark === "") return [];
  return [
    `<circle class="mark" cx="${x}" cy="${y}" r="9" fill="#ffffff" stroke="currentColor" stroke-width="2"/>`,
    `<text x="${x}" y="${
      y + 5
    }" text-anchor="middle" font-size="13" font-weight="700" fill="currentColor">${mark}</text>`,
  ];
}

function nodeLine(
  { name, kind, ready, text }: GraphNode,
  { x, y }: Place,
  note: { readonly own: boolean; readonly text: string },
): string {
  const ill = ready === false || kind === "silent";
  const color = ill ? COLORS.down : note.own ? "#0550ae" : "#57606a";
  const state = ill ? "ill" : note.own ? "own" : "seen";
  const dash = kind === "silent" ? ' stroke-dasharray="3 3"' : "";
  const about = text === "" ? name : `${name}: ${text}`;
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
    label(shortened(name, LABEL_LETTERS), { x, y: y + RADIUS + 16 }, true),
    ...note.text === ""
      ? []
      : [label(note.text, { x, y: y + RADIUS + 31 }, false)],
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
  { nodes, tunnels }: Graph,
  { at, hub }: { readonly at: number; readonly hub: number | undefined },
): string {
  const node = nodes[at];
  if (node?.kind === "silent") return "not asked";
  if (node?.ready === false) return "not ready";
  if (hub === undefined) return "";
  const tunnel = tunnels.find(({ a, b }) => a === at || b === at);
  if (tunnel === undefined) return "";
  const { state, handshakeSeconds, aToBBytes, bToABytes } = tunnel;
  if (state === "absent") return "no peer";
  const age = ageText(handshakeSeconds);
  return `${state} · ${age} · ${bytesText(aToBBytes + bToABytes)}`;
}

function legendLines(top: number): Pick<Body, "height" | "lines"> {
  const states = [...TUNNEL_STATES].reverse();
  const rows = states.map((state, at) => {
    const y = top + 18 + at * LEGEND_ROW;
    const dash = DASHES[state] === ""
      ? ""
      : ` stroke-dasharray="${DASHES[state]}"`;
    return [
      `<g class="legend ${state}" color="${COLORS[state]}">`,
      `<line x1="12" y1="${y}" x2="72" y2="${y}" stroke="currentColor" stroke-width="3"${dash}/>`,
      ...markLines(state, { x: 42, y }),
      `<text class="ink" x="84" y="${y + 4}" fill="#1f2328">${
        xmlText(LEGEND[state])
      }</text>`,
      "</g>",
    ].join("");
  });
  const y = top + 22 + states.length * LEGEND_ROW;
  return {
    height: (states.length + 1) * LEGEND_ROW + 16,
    lines: [
      ...rows,
      `<text class="ink" x="12" y="${y}" fill="#1f2328">The wider a line, the more has gone through it.</text>`,
    ],
  };
}
