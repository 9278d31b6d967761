/**
 * A diagnosis as people read it.
 *
 * @module
 */

import type { Check, Diagnosis } from "./check.ts";

/** Lines of a command's output that are shown. */
const LINES = 8;

export function checkRows(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ code }) => code.length));
  return checks.map(({ code, what }) => `${code.padEnd(width)}  ${what}`)
    .join("\n");
}

/** For programs: schema 1. */
export function diagnosisJson(diagnosis: Diagnosis): string {
  return JSON.stringify({ schema: 1, ...diagnosis }, null, 2);
}

export function diagnosisText(
  { findings, notMade, made }: Diagnosis,
): string {
  const blocks = findings.map((
    { code, severity, sentence, evidence, cure },
    at,
  ) =>
    [
      `${at + 1}. ${sentence} [${code}${
        severity === "error" ? "" : `, ${severity}`
      }]`,
      ...evidence.flatMap(({ command, output }) => [
        `   $ ${command}`,
        ...firstLines(output).map((line) => `     ${line}`),
      ]),
      `   → ${cure}`,
    ].join("\n")
  );
  const summary = findings.length === 0
    ? `Nothing found by ${made} checks.`
    : `${findings.length} found by ${made} checks.`;
  const reasons = Map.groupBy(notMade, ({ why }) => why);
  const skipped = [...reasons].map(([why, group]) =>
    `Not made: ${group.map(({ code }) => code).join(", ")}: ${why}`
  );
  return [...blocks, [summary, ...skipped].join("\n")].join("\n\n");
}

/** Of what a command has printed, without empty ones, and how many more there are. */
export function firstLines(output: string): readonly string[] {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const rest = lines.length - LINES;
  return rest > 0 ? [...lines.slice(0, LINES), `… and ${rest} more`] : lines;
}
