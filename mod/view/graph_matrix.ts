/**
 * Many Nodes: what one says of each, as cells in the order of their names; or
 * what each says of each, a row for who says it and a column for of whom. What
 * is broken is marked by a shape too. However many there are and however much is
 * broken, the picture stays within some MB: neighbours that look alike are one
 * shape with one title, and a cell stands for many pairs where it has to.
 *
 * @module
 */

import { WORDS } from "../core/opinion_table.ts";
import {
  type Graph,
  type GraphNode,
  isMesh,
  isOutcast,
  type Pair,
} from "./graph_model.ts";
import { classesOf, COLORS, type Look, lookOf, LOOKS } from "./graph_style.ts";
import type { Body } from "./graph_svg.ts";
import { stateText, tunnelText } from "./graph_text.ts";
import { shortened, xmlText } from "./plain_text.ts";

/** Cells in a row where there is one Node's view. */
const COLUMNS = 25;

const CELL = 22;
const LABEL = 130;
const LABEL_LETTERS = 18;

/** Pixels from one name of a row to the next. */
const LABEL_ROW = 12;

/** Nodes up to which the cells of the square stand apart, and are large. */
const LARGE_ROWS = 100;

/** Of more Nodes several share a row, and a column. */
const MOST_ROWS = 500;

/** Shapes that have a title; of more, those that come last have none. */
const TITLES = 2_000;

const IDLE = WORDS.indexOf("idle");

export function matrixBody(graph: Graph): Body {
  return isMesh(graph) ? square(graph) : cells(graph);
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function cells({ nodes, ...graph }: Graph): Body {
  const tunnels = [...graph.tunnels];
  const rows = Math.ceil(tunnels.length / COLUMNS);
  const own = nodes.findIndex(({ kind }) => kind !== "seen");
  return {
    width: 24 + COLUMNS * CELL,
    height: 12 + rows * CELL,
    lines: tunnels.map((tunnel, at) => {
      const other = tunnel.a === own ? tunnel.b : tunnel.a;
      const text = `${nodes[other]?.name}: ${tunnelText(tunnel)}`;
      return cell(lookOf(tunnel.state, tunnel), text, {
        x: 12 + (at % COLUMNS) * CELL,
        y: 6 + Math.floor(at / COLUMNS) * CELL,
        width: CELL - 3,
        height: CELL - 3,
      });
    }),
  };
}

/** Cells of one row that look alike, next to each other. */
interface Run {
  readonly look: Look;
  readonly row: number;
  readonly from: number;
  /** Not included. */
  readonly to: number;
}

/** Nodes that share a row of the square. */
export function sharing({ nodes }: Graph): number {
  return Math.max(1, Math.ceil(nodes.length / MOST_ROWS));
}

function square(graph: Graph): Body {
  const group = sharing(graph);
  const rows = Math.ceil(graph.nodes.length / group);
  const large = rows <= LARGE_ROWS;
  const size = large ? 12 : 6;
  const paths = new Map<Look, string[]>();
  const titled: string[] = [];
  for (const run of runsOf(graph, { group, merge: !large, rows })) {
    const { look, row, from, to } = run;
    const box = {
      x: LABEL + from * size,
      y: 6 + row * size,
      width: (to - from) * size - 1,
      height: size - 1,
    };
    const broken = look === "down" || look === "absent";
    if (broken && titled.length < TITLES) {
      titled.push(cell(look, runText(run, graph.nodes, group), box));
    } else {
      const path = paths.get(look) ?? [];
      paths.set(look, path);
      path.push(outline(look, box));
    }
  }
  return {
    width: LABEL + rows * size + 12,
    height: 12 + rows * size,
    lines: [
      ...labels(graph, { group, size }),
      ...[...paths].map(([look, path]) =>
        `<path class="${classesOf(look)}" color="${
          COLORS[look]
        }" fill="currentColor" fill-rule="evenodd" d="${path.join("")}"/>`
      ),
      ...titled,
    ],
  };
}

/**
 * Of a Node that could not be asked there are none. Of a group the worst is shown,
 * which comes last in `LOOKS`.
 *
 * @param merge neighbours are one
 */
function* runsOf(
  { tunnels }: Graph,
  { group, merge, rows }: {
    readonly group: number;
    readonly merge: boolean;
    readonly rows: number;
  },
): Generator<Run> {
  /** Places in `LOOKS`, from 1; 0: nothing is said. */
  const looks = new Uint8Array(rows * rows);
  const put = (from: number, of: number, look: number): void => {
    const at = Math.floor(from / group) * rows + Math.floor(of / group);
    if ((looks[at] ?? 0) < look) looks[at] = look;
  };
  const placeOf = (
    word: typeof WORDS[number],
    handshakeSeconds: number | null,
  ): number =>
    word === "unasked"
      ? 0
      : 1 + LOOKS.indexOf(lookOf(word, { handshakeSeconds }));
  const places = WORDS.map((word) => placeOf(word, null));
  // Nothing else depends on when they shook hands.
  const lookAt = (code: number, pair: Pair): number =>
    code === IDLE
      ? placeOf("idle", tunnels.handshakeSeconds(pair))
      : places[code] ?? 0;
  tunnels.eachPair((pair) => {
    put(pair.a, pair.b, lookAt(pair.aCode, pair));
    put(pair.b, pair.a, lookAt(pair.bCode, pair));
  });
  for (let row = 0; row < rows; row++) {
    for (let from = 0, to = 0; from < rows; from = to) {
      const look = looks[row * rows + from] ?? 0;
      to = from + 1;
      while (merge && to < rows && looks[row * rows + to] === look) to++;
      const found = LOOKS[look - 1];
      if (found !== undefined) yield { look: found, row, from, to };
    }
  }
}

function runText(
  { look, row, from, to }: Run,
  nodes: readonly GraphNode[],
  group: number,
): string {
  const name = (at: number): string =>
    nodes[Math.min(at, nodes.length - 1)]?.name ?? "";
  const span = (first: number, last: number): string =>
    first === last ? name(first) : `${name(first)} to ${name(last)}`;
  const whom = span(from * group, to * group - 1);
  const who = span(row * group, (row + 1) * group - 1);
  const word = look === "old" ? "idle" : stateText(look);
  return group === 1
    ? `${who} says of ${whom}: ${word}`
    : `one of ${who} says of one of ${whom}: ${word}`;
}

/** As many as there is room for; that of a Node with something amiss is marked. */
function labels(
  graph: Graph,
  { group, size }: { readonly group: number; readonly size: number },
): readonly string[] {
  const step = Math.ceil(LABEL_ROW / size) * group;
  const isIll = (node: GraphNode): boolean =>
    node.kind === "silent" || isOutcast(graph, node);
  return graph.nodes.flatMap((node, at) => {
    if (at % step > 0) return [];
    const ill = graph.nodes.slice(at, at + group).some(isIll);
    const name = `${ill ? "! " : ""}${shortened(node.name, LABEL_LETTERS)}`;
    const y = 6 + at / group * size + Math.max(8, Math.round(size * 0.75));
    return [
      `<text ${
        ill
          ? `class="ill" color="${COLORS.down}" fill="currentColor"`
          : 'class="ink" fill="#1f2328"'
      } x="${LABEL - 6}" y="${y}" text-anchor="end" font-size="10">${
        xmlText(name)
      }</text>`,
    ];
  });
}

function cell(look: Look, text: string, box: Box): string {
  return `<g class="cell ${classesOf(look)}" color="${COLORS[look]}"><title>${
    xmlText(text)
  }</title>${shape(look, box)}</g>`;
}

/** Full for a session, less of it the longer nobody speaks; crossed, or hollow. */
export function shape(look: Look, box: Box): string {
  const path = `<path fill="currentColor" fill-rule="evenodd" d="${
    outline(look, box)
  }"/>`;
  const { x, y, width, height } = box;
  if (look !== "down" || width !== height) return path;
  const right = x + width;
  const bottom = y + height;
  return `${path}<path class="cross" stroke="#ffffff" stroke-width="${
    height > 12 ? 2.5 : 1
  }" d="M${x + 2} ${y + 2}L${right - 2} ${bottom - 2}M${right - 2} ${y + 2}L${
    x + 2
  } ${bottom - 2}"/>`;
}

/** What is `down` in a row of several is struck through. */
function outline(look: Look, { x, y, width, height }: Box): string {
  const bar = (top: number, high: number): string =>
    `M${x} ${y + top}h${width}v${high}h-${width}z`;
  switch (look) {
    case "up":
      return bar(0, height);
    case "idle":
      return bar(Math.ceil(height / 2), height - Math.ceil(height / 2));
    case "old":
      return bar(height - Math.ceil(height / 4), Math.ceil(height / 4));
    case "down": {
      if (width === height || height < 3) return bar(0, height);
      const half = Math.floor(height / 2);
      return bar(0, half) + bar(half + 1, height - half - 1);
    }
    case "absent": {
      const edge = height > 12 ? 2 : 1;
      const inner = { width: width - 2 * edge, height: height - 2 * edge };
      if (inner.width < 1 || inner.height < 1) return bar(0, height);
      return `${bar(0, height)}M${x + edge} ${
        y + edge
      }h${inner.width}v${inner.height}h-${inner.width}z`;
    }
  }
}
