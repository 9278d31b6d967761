/**
 * Which checks are made: all of one machine or of a cluster, or those of `--only`.
 *
 * @module
 */

import { usage } from "../core/flags.ts";
import type { Check } from "../doctor/check.ts";
import { ALL_CHECKS, CHECKS } from "../doctor/checks.ts";
import { checkRows } from "../doctor/text.ts";

/** With a line end. */
export function checkList(output: "text" | "json"): string {
  if (output === "text") return `${checkRows(ALL_CHECKS)}\n`;
  const rows = ALL_CHECKS.map((check) => {
    const { code, what } = check;
    return { code, what, allOnly: !CHECKS.includes(check) };
  });
  return `${JSON.stringify(rows)}\n`;
}

/**
 * @param only codes, separated by commas; `undefined`: all
 * @param from `CHECKS` or `ALL_CHECKS`
 * @throws {FatalError} of exit code 2
 */
export function chosenChecks(
  only: string | undefined,
  from: readonly Check[],
): readonly Check[] {
  if (only === undefined) return from;
  const codes = only.split(",");
  const among = (code: string, checks: readonly Check[]): boolean =>
    checks.some((check) => check.code === code);
  const unknown = codes.find((code) => !among(code, from));
  if (unknown === undefined) {
    return from.filter(({ code }) => codes.includes(code));
  }
  throw usage(
    among(unknown, ALL_CHECKS)
      ? `Cannot use --only ${unknown}: that check is made with --all only`
      : `Cannot use --only ${unknown}: there is no such check; \`clusternet doctor --list\` has them all`,
  );
}
