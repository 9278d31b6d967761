/**
 * Many Nodes: what one says of each, as cells in the order of their names, or
 * a row and a column for each Node. What is broken is marked by a shape too,
 * and listed by name beneath.
 *
 * @module
 */

import {
  type Graph,
  isBroken,
  TOLD,
  type Tunnel,
  type TunnelState,
  tunnelText,
} from "./graph_model.ts";
import type { Body } from "./graph_svg.ts";
import { COLORS } from "./graph_style.ts";
import { shortened, xmlText } from "./plain_text.ts";

/** Cells in a row where there is one Node's view. */
const COLUMNS = 25;

const CELL = 22;
const LABEL = 120;
const ROW = 18;

/** Nodes up to which each row of the square has its name beside it. */
const NAMED_ROWS = 100;

export function matrixBody(graph: Graph): Body {
  const asked = graph.nodes.filter(({ kind }) => kind === "asked");
  const body = asked.length === 1 ? cells(graph) : square(graph);
  const told = brokenLines(graph, body.height + 24);
  return {
    width: Math.max(body.width, told.length === 0 ? 0 : 560),
    height: body.height + (told.length === 0 ? 0 : 24 + told.length * ROW),
    lines: [...body.lines, ...told],
  };
}

interface Square {
  readonly x: number;
  readonly y: number;
  readonly size: number;
}

function cells(graph: Graph): Body {
  const rows = Math.ceil(graph.tunnels.length / COLUMNS);
  const own = graph.nodes.findIndex(({ kind }) => kind === "asked");
  return {
    width: 24 + COLUMNS * CELL,
    height: 12 + rows * CELL,
    lines: graph.tunnels.map((tunnel, at) => {
      const other = tunnel.a === own ? tunnel.b : tunnel.a;
      const name = graph.nodes[other]?.name ?? "";
      return cell(tunnel, `${name}: ${tunnelText(tunnel)}`, {
        x: 12 + (at % COLUMNS) * CELL,
        y: 6 + Math.floor(at / COLUMNS) * CELL,
        size: CELL - 3,
      });
    }),
  };
}

/** The whole square, for eyes that follow a row; each tunnel stands in it twice. */
function square(graph: Graph): Body {
  const { nodes, tunnels } = graph;
  const named = nodes.length <= NAMED_ROWS;
  const size = named ? 12 : 6;
  const left = named ? LABEL : 12;
  const whole: string[] = [];
  const broken: string[] = [];
  const paths = new Map<TunnelState, string[]>();
  for (const tunnel of tunnels) {
    for (const [row, column] of [[tunnel.a, tunnel.b], [tunnel.b, tunnel.a]]) {
      const place = {
        x: left + (column ?? 0) * size,
        y: 6 + (row ?? 0) * size,
        size: size - 1,
      };
      if (isBroken(tunnel)) {
        const names = [nodes[tunnel.a]?.name, nodes[tunnel.b]?.name];
        const text = `${names.join(" and ")}: ${tunnelText(tunnel)}`;
        broken.push(cell(tunnel, text, place));
      } else {
        const path = paths.get(tunnel.state) ?? [];
        paths.set(tunnel.state, path);
        path.push(filling(tunnel.state, place));
      }
    }
  }
  for (const [state, path] of paths) {
    whole.push(
      `<path class="${state}" color="${COLORS[state]}" fill="currentColor" d="${
        path.join("")
      }"/>`,
    );
  }
  const labels = !named
    ? []
    : nodes.map(({ name }, at) =>
      `<text class="ink" x="${left - 6}" y="${
        6 + at * size + 9
      }" text-anchor="end" font-size="10" fill="#1f2328">${
        xmlText(shortened(name, LABEL_LETTERS))
      }</text>`
    );
  return {
    width: left + nodes.length * size + 12,
    height: 12 + nodes.length * size,
    lines: [...labels, ...whole, ...broken],
  };
}

const LABEL_LETTERS = 18;

/** Full for a session, the lower half where it is idle. */
function filling(state: TunnelState, { x, y, size }: Square): string {
  const top = state === "idle" ? Math.ceil(size / 2) : 0;
  return `M${x} ${y + top}h${size}v${size - top}h-${size}z`;
}

function cell(
  { state }: Pick<Tunnel, "state">,
  text: string,
  place: Square,
): string {
  return [
    `<g class="cell ${state}" color="${COLORS[state]}">`,
    `<title>${xmlText(text)}</title>`,
    shape(state, place),
    "</g>",
  ].join("");
}

function shape(state: TunnelState, place: Square): string {
  const { x, y, size } = place;
  const right = x + size;
  const bottom = y + size;
  switch (state) {
    case "up":
    case "idle":
      return `<path fill="currentColor" d="${filling(state, place)}"/>`;
    case "down":
      return `<path fill="currentColor" d="${
        filling(state, place)
      }"/><path class="cross" stroke="#ffffff" stroke-width="${
        size > 12 ? 2.5 : 1
      }" d="M${x + 2} ${y + 2}L${right - 2} ${bottom - 2}M${right - 2} ${
        y + 2
      }L${x + 2} ${bottom - 2}"/>`;
    case "absent":
      return `<rect class="hollow" x="${x + 1}" y="${y + 1}" width="${
        size - 2
      }" height="${
        size - 2
      }" fill="none" stroke="currentColor" stroke-width="2"/>`;
  }
}

function brokenLines(graph: Graph, top: number): readonly string[] {
  const { nodes } = graph;
  const own = nodes.filter(({ kind }) => kind === "asked");
  const name = (at: number): string => {
    const { name, kind } = nodes[at] ?? { name: "", kind: "seen" };
    return own.length === 1 && kind === "asked" ? "" : shortened(name, 24);
  };
  const broken = graph.tunnels.filter(isBroken);
  const lines = broken.slice(0, TOLD).map((tunnel) => ({
    state: tunnel.state,
    text: `${
      [name(tunnel.a), name(tunnel.b)].filter((each) => each !== "").join(
        " – ",
      )
    }: ${tunnelText(tunnel)}`,
  }));
  const all = broken.length > TOLD
    ? [...lines, {
      state: "down" as const,
      text: `and ${broken.length - TOLD} more`,
    }]
    : lines;
  return all.map(({ state, text }, at) =>
    `<text class="${state}" x="12" y="${top + at * ROW}" color="${
      COLORS[state]
    }" fill="currentColor">${xmlText(shortened(text, 80))}</text>`
  );
}
