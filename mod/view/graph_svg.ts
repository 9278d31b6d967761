/**
 * The graph as a picture: one node's tunnels as a star, those of a small cluster
 * as a circle, more of them as a matrix. The same graph gives the same bytes.
 *
 * Presentation attributes and classes only, no style sheet: it can be put into
 * a page whose policy allows no inline style, and be coloured there by class.
 *
 * @module
 */

import {
  CIRCLE_LIMIT,
  circleBody,
  dashOf,
  markLines,
  type Place,
} from "./graph_circle.ts";
import { matrixBody, shape, sharing } from "./graph_matrix.ts";
import { type Graph, isMesh } from "./graph_model.ts";
import {
  classesOf,
  COLORS,
  LEGEND,
  type Look,
  LOOKS,
  MARKS,
} from "./graph_style.ts";
import { amissOf, graphText } from "./graph_text.ts";
import { shortened, xmlText } from "./plain_text.ts";
import { fold } from "./text.ts";

/** Of a picture, or a part of it. Pixels. */
export interface Body {
  readonly width: number;
  readonly height: number;
  readonly lines: readonly string[];
}

const TITLE_HEIGHT = 60;
const LEGEND_ROW = 22;
const LEGEND_WIDTH = 350;

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
