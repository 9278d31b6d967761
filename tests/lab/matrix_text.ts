/**
 * The matrix as text: a table of round trips for a few nodes, a mark a pair of
 * nodes for many, and a summary by kind in both cases. Fits 80 columns.
 *
 * @module
 */

import {
  ALL_CELLS_UP_TO,
  type CellKind,
  type CellResult,
  isGood,
  podLabel,
} from "./matrix.ts";
import type { Paint } from "./paint.ts";
import type { Family } from "./plan.ts";

const CELL_WIDTH = 6;
const LABEL_WIDTH = 8;

export function matrixText(
  results: readonly CellResult[],
  options: { readonly all: number; readonly paint: Paint },
): string {
  const { all, paint } = options;
  const nodes = new Set(results.map((result) => result.from.node));
  const families = [...new Set(results.map((result) => result.family))].sort();
  const tables = families.map((family) => {
    const some = results.filter((result) => result.family === family);
    return nodes.size <= ALL_CELLS_UP_TO
      ? cellTable(some, family, paint)
      : nodeTable(some, family, paint);
  });
  const tried = results.length === all
    ? `all ${all} cells`
    : `${results.length} of ${all} cells, drawn from the seed`;
  return [...tables, summary(results, paint), `(${tried})`].join("\n");
}

/** A row a source, a column a pod: best small round trip in ms. */
function cellTable(
  results: readonly CellResult[],
  family: Family,
  paint: Paint,
): string {
  const rows = [...new Set(results.map((result) => result.from.label))];
  const columns = [...new Set(results.map((result) => podLabel(result.to)))]
    .sort();
  const cell = (row: string, column: string): string => {
    const result = results.find((each) =>
      each.from.label === row && podLabel(each.to) === column
    );
    if (result === undefined) return paint.dim("·".padStart(CELL_WIDTH));
    const { small, full } = result;
    if (small === undefined) return paint.bad("none".padStart(CELL_WIDTH));
    if (full === undefined) return paint.bad("small".padStart(CELL_WIDTH));
    return paint.good(milliseconds(small).padStart(CELL_WIDTH));
  };
  const head = paint.bold(
    `IPv${family} ms`.padEnd(LABEL_WIDTH) +
      columns.map((column) => column.padStart(CELL_WIDTH)).join(""),
  );
  return [
    head,
    ...rows.map((row) =>
      row.padEnd(LABEL_WIDTH) +
      columns.map((column) => cell(row, column)).join("")
    ),
  ].join("\n");
}

/** A row a node, a character a node: `+` all answered, `X` not all, `·` not tried. */
function nodeTable(
  results: readonly CellResult[],
  family: Family,
  paint: Paint,
): string {
  const names = [
    ...new Set(
      results.flatMap(({ from, to }) => [from.node.name, to.node.name]),
    ),
  ].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const pairs = Map.groupBy(
    results,
    ({ from, to }) => `${from.node.name} ${to.node.name}`,
  );
  const mark = (from: string, to: string): string => {
    const cells = pairs.get(`${from} ${to}`);
    if (cells === undefined) return paint.dim("·");
    return cells.every(isGood) ? paint.good("+") : paint.bad("X");
  };
  const head = paint.bold(
    `IPv${family}: a row and a column for each node ` +
      `(+ all answered, X not all, · not tried)`,
  );
  return [
    head,
    ...names.map((from) =>
      from.padEnd(LABEL_WIDTH) + names.map((to) => mark(from, to)).join("")
    ),
  ].join("\n");
}

const KINDS: readonly CellKind[] = [
  "pod, same node",
  "pod, other node",
  "node to remote pod",
];

function summary(results: readonly CellResult[], paint: Paint): string {
  const mtu = [...new Set(results.map((result) => result.mtu))].join(", ");
  const lines = KINDS.flatMap((kind) => {
    const some = results.filter((result) => result.kind === kind);
    if (some.length === 0) return [];
    const small = some.map((result) => result.small);
    const full = some.map((result) => result.full);
    const colour = some.every(isGood) ? paint.good : paint.bad;
    return [
      colour(
        [
          kind.padEnd(19),
          answered(small).padStart(9),
          spread(small).padStart(21),
          answered(full).padStart(9),
          spread(full).padStart(21),
        ].join(""),
      ),
    ];
  });
  const head = paint.bold(
    [
      "min/median/max ms".padEnd(19),
      "small".padStart(9),
      "".padStart(21),
      `${mtu} B, DF`.padStart(30),
    ].join(""),
  );
  return ["", head, ...lines].join("\n");
}

function answered(times: readonly (number | undefined)[]): string {
  const yes = times.filter((time) => time !== undefined);
  return `${yes.length}/${times.length}`;
}

function spread(times: readonly (number | undefined)[]): string {
  const sorted = times.filter((time) => time !== undefined).sort((a, b) =>
    a - b
  );
  const [min] = sorted;
  if (min === undefined) return "-";
  const median = sorted[sorted.length >> 1] ?? min;
  const max = sorted.at(-1) ?? min;
  return [min, median, max].map(milliseconds).join("/");
}

function milliseconds(time: number): string {
  return time < 10 ? time.toFixed(2) : time.toFixed(1);
}
