/**
 * A table that fits: where it is too wide, the columns that matter least are
 * left out, and what still is too long is cut. A row is one line, always.
 *
 * @module
 */

import { cut, type Paint, shown, widthOf } from "./text.ts";

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** The lower, the longer it stays; 0: always. */
  readonly rank: number;
  readonly right?: true;
  readonly paint?: (row: Row) => (text: string) => string;
}

export interface TableOptions {
  /** Columns of the terminal; `undefined`: as many as it takes. */
  readonly width: number | undefined;
  readonly paint: Paint;
}

const GAP = "  ";

/** Lines, the titles first; none where there are no rows. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { width, paint }: TableOptions,
): readonly string[] {
  if (rows.length === 0) return [];
  const all = columns.map((column) => {
    const cells = rows.map((row) => shown(column.cell(row)));
    const widest = [column.title, ...cells].map(widthOf);
    return { column, cells, width: Math.max(...widest) };
  });
  const kept = fitting(all, width);
  const line = (
    text: (at: number) => string,
    style: (at: number) => (text: string) => string,
  ): string =>
    kept.map(({ column, width }, at) => {
      const short = cut(text(at), width);
      const space = " ".repeat(width - widthOf(short));
      const painted = style(at)(short);
      if (column.right === true) return `${space}${painted}`;
      return at === kept.length - 1 ? painted : `${painted}${space}`;
    }).join(GAP).trimEnd();
  return [
    line((at) => kept[at]?.column.title ?? "", () => paint.dim),
    ...rows.map((row, index) =>
      line(
        (at) => kept[at]?.cells[index] ?? "",
        (at) => kept[at]?.column.paint?.(row) ?? ((text) => text),
      )
    ),
  ];
}

interface Measured<Row> {
  readonly column: Column<Row>;
  readonly cells: readonly string[];
  readonly width: number;
}

function fitting<Row>(
  all: readonly Measured<Row>[],
  width: number | undefined,
): readonly Measured<Row>[] {
  if (width === undefined) return all;
  let kept = all;
  while (totalOf(kept) > width) {
    const worst = Math.max(...kept.map(({ column }) => column.rank));
    if (worst === 0) break;
    kept = kept.filter(({ column }) => column.rank < worst);
  }
  for (let over = totalOf(kept) - width; over > 0;) {
    const widest = Math.max(...kept.map((each) => each.width));
    const next = Math.max(4, widest - over);
    if (next >= widest) break;
    kept = kept.map((each) =>
      each.width === widest ? { ...each, width: next } : each
    );
    over = totalOf(kept) - width;
  }
  return kept;
}

function totalOf<Row>(columns: readonly Measured<Row>[]): number {
  return columns.reduce((sum, { width }) => sum + width, 0) +
    GAP.length * (columns.length - 1);
}
