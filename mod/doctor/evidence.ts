/**
 * How evidence is written: what was seen, beside the command that shows it.
 *
 * @module
 */

import type { Evidence } from "./check.ts";

/** Lines of one command that are shown. */
const LINES = 12;

/** include/uapi/linux/stat.h */
export const MODE_BITS = { others: 0o077, othersWrite: 0o022 } as const;

/** The command that shows it, and what was read by other means. */
export function seen(command: string, output: string): Evidence {
  return { command, output };
}

/** 0o600 → "600" */
export function modeText(mode: number): string {
  return (mode & 0o7777).toString(8);
}

/** The first lines, and how many more there are. */
export function shellList(lines: readonly string[]): string {
  const rest = lines.length - LINES;
  return rest <= 0
    ? lines.join("\n")
    : [...lines.slice(0, LINES), `… and ${rest} more`].join("\n");
}
