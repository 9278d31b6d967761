/**
 * docs/conformance.md: what became of each case. The page is its own record: a
 * run of one family reads the table, and writes it again with its own column.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import type { CaseResult } from "./e2e.ts";
import { E2E_IMAGES } from "./e2e_images.ts";

export const DOC = fileURLToPath(
  new URL("../../docs/conformance.md", import.meta.url),
);

/** By family, as `--family` has them. */
export const COLUMNS: Readonly<Record<string, string>> = {
  "ipv4": "IPv4",
  "ipv6": "IPv6",
  "dual-stack": "dual stack",
};

/** What all cases are of, and no row says again. */
const GROUP = "[sig-network] ";

/** What became of a case, by family: "passed", "failed", "skipped: why", or "-" where it was not run. */
export type Outcomes = Readonly<Record<string, string>>;

const NOT_RUN = "-";

/** The cases of the page, with what became of them. @throws {Error} where it has no table */
export function readCases(page: string): ReadonlyMap<string, Outcomes> {
  const families = Object.keys(COLUMNS);
  const cases = new Map<string, Outcomes>();
  for (const line of block(page, "cases").split("\n").slice(2)) {
    const [name = "", ...cells] = line.split("|").slice(1, -1)
      .map((cell) => cell.trim());
    const outcomes = families.map((family, at) => [family, cells[at] ?? ""]);
    cases.set(GROUP + name.replaceAll("`", ""), Object.fromEntries(outcomes));
  }
  return cases;
}

/** The page with these cases instead of its own, and the images as they are made now. */
export function pageWith(
  page: string,
  cases: ReadonlyMap<string, Outcomes>,
): string {
  const rows = [...cases].sort(([a], [b]) => a < b ? -1 : 1).map((
    [name, outcomes],
  ) => [
    `\`${name.slice(GROUP.length)}\``,
    ...Object.keys(COLUMNS).map((family) => outcomes[family] ?? NOT_RUN),
  ]);
  const images = E2E_IMAGES.map(({ name, what }) => [`\`${name}\``, what]);
  const withCases = replaceBlock(
    page,
    "cases",
    tableText(["case", ...Object.values(COLUMNS)], rows),
  );
  return replaceBlock(
    withCases,
    "images",
    tableText(["image", "here"], images),
  );
}

/** Puts the column of that family into the page; rows of cases that are no more go. */
export function pageAfter(
  page: string,
  run: {
    readonly family: string;
    readonly results: readonly CaseResult[];
    /** Names of all cases that there are for some family. */
    readonly all: readonly string[];
  },
): string {
  const known = readCases(page);
  const cases = new Map<string, Outcomes>(
    run.all.map((name) => [name, known.get(name) ?? {}]),
  );
  for (const { name, outcome, reason } of run.results) {
    if (!cases.has(name)) continue;
    const why = reason.replaceAll(/[\s|]+/g, " ").trim();
    const text = outcome === "skipped" ? `skipped: ${why}` : outcome;
    cases.set(name, { ...cases.get(name), [run.family]: text });
  }
  return pageWith(page, cases);
}

function tableText(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = head.map((title, at) =>
    Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0))
  );
  const line = (cells: readonly string[], fill = " "): string =>
    `| ${
      widths.map((width, at) => (cells[at] ?? "").padEnd(width, fill)).join(
        " | ",
      )
    } |`;
  return [line(head), line([], "-"), ...rows.map((row) => line(row))]
    .join("\n");
}

function pattern(name: string): RegExp {
  return new RegExp(
    `(<!-- ${name}:[^>]*-->\n\n)([^]*?)(\n\n<!-- /${name} -->)`,
  );
}

function block(page: string, name: string): string {
  const found = pattern(name).exec(page)?.[2];
  if (found === undefined) throw new Error(`Cannot find "${name}" in ${DOC}`);
  return found;
}

function replaceBlock(page: string, name: string, text: string): string {
  return page.replace(
    pattern(name),
    (_, before: string, __, after: string) => before + text + after,
  );
}
