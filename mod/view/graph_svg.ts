/**
 * The graph as a picture: one node's tunnels as a star, those of a small cluster
 * as a circle, more of them as a matrix. The same graph gives the same bytes.
 *
 * Presentation attributes and classes only, no style sheet: it can be put into
 * a page whose policy allows no inline style, and be coloured there by class.
 *
 * @module
 */

import { matrixBody, shape, sharing } from "./graph_matrix.ts";
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
  LEGEND,
  type Look,
  lookOf,
  LOOKS,
  MARKS,
  strokeWidth,
} from "./graph_style.ts";
import { ageText, amissOf, graphText, tunnelText } from "./graph_text.ts";
import { shortened, xmlText } from "./plain_text.ts";
import { fold } from "./text.ts";
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
  const round = graph.nodes.length <= CIRCLE_LIMIT;
  const body = round ? circleBody(graph) : matrixBody(graph);
  const width = Math.max(body.width, LEGEND_WIDTH, 480);
  const amiss = amissLines(graph, { top: TITLE_HEIGHT + body.height, width });
  const above = TITLE_HEIGHT + body.height + amiss.height;
  const legend = legendLines(above, legendOf(graph, round));
  const height = above + legend.height;
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
    ...amiss.lines,
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
  const { nodes } = graph;
  const alone = !isMesh(graph) && nodes.length > 2;
  const own = nodes.findIndex(({ kind }) => kind !== "seen");
  const hub = alone && own >= 0 ? own : undefined;
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
      ...linesOf(graph).first.map((tunnel) => tunnelLine(tunnel, places)),
      ...nodes.map((node, at) =>
        nodeLine(node, places[at] ?? { x: 0, y: 0 }, {
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

function dashOf(look: Look): string {
  return DASHES[look] === "" ? "" : ` stroke-dasharray="${DASHES[look]}"`;
}

function markLines(look: Look, { x, y }: Place): readonly string[] {
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
  { x, y }: Place,
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

/** Letters of a line beneath the picture, and lines for one thing. */
const AMISS_LETTERS = 110;
const AMISS_LINES = 4;
const AMISS_ROW = 18;

/** What is amiss, for those who cannot hover: a picture is printed, or mailed. */
function amissLines(
  graph: Graph,
  { top, width }: { readonly top: number; readonly width: number },
): Pick<Body, "height" | "lines"> {
  const letters = Math.min(AMISS_LETTERS, Math.floor((width - 24) / 7));
  const rows = amissOf(graph).flatMap(({ state, text }) =>
    fold(text, { width: letters, lead: `${MARKS[state]} ` })
      .slice(0, AMISS_LINES).map((line) => ({ state, line }))
  );
  return {
    height: rows.length === 0 ? 0 : rows.length * AMISS_ROW + 12,
    lines: rows.map(({ state, line }, at) =>
      `<text class="${state}" x="${line.startsWith(" ") ? 26 : 12}" y="${
        top + 14 + at * AMISS_ROW
      }" color="${COLORS[state]}" fill="currentColor">${
        xmlText(line.trim())
      }</text>`
    ),
  };
}

interface Legend {
  /** Of one thing, around that place. */
  readonly sample: (look: Look, place: Place) => readonly string[];
  readonly text: string;
}

function legendOf(graph: Graph, round: boolean): Legend {
  if (round) {
    return {
      sample: (look, { x, y }) => [
        `<line x1="${x - 30}" y1="${y}" x2="${
          x + 30
        }" y2="${y}" stroke="currentColor" stroke-width="3"${dashOf(look)}/>`,
        ...markLines(look, { x, y }),
      ],
      text: "The wider a line, the more has gone through it.",
    };
  }
  return {
    sample: (look, { x, y }) => [
      shape(look, { x: x + 10, y: y - 9, width: 19, height: 19 }),
    ],
    text: isMesh(graph)
      ? squareText(sharing(graph))
      : "A cell for each other Node, in the order of their names.",
  };
}

function squareText(group: number): string {
  return group === 1
    ? "A row says it of each column; both are in the same order."
    : `A row says it of each column; a cell is the worst of ${group} by ${group} Nodes.`;
}

function legendLines(
  top: number,
  { sample, text }: Legend,
): Pick<Body, "height" | "lines"> {
  const rows = LOOKS.map((look, at) => {
    const y = top + 18 + at * LEGEND_ROW;
    return [
      `<g class="legend ${classesOf(look)}" color="${COLORS[look]}">`,
      ...sample(look, { x: 42, y }),
      `<text class="ink" x="84" y="${y + 4}" fill="#1f2328">${
        xmlText(LEGEND[look])
      }</text>`,
      "</g>",
    ].join("");
  });
  const y = top + 22 + LOOKS.length * LEGEND_ROW;
  return {
    height: (LOOKS.length + 1) * LEGEND_ROW + 16,
    lines: [
      ...rows,
      `<text class="ink" x="12" y="${y}" fill="#1f2328">${text}</text>`,
    ],
  };
}
