/**
 * Numbers as people say them.
 *
 * @module
 */

/** Largest unit first, in seconds. */
const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]] as const;

/**
 * Two units at most, the smaller one only where it counts.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { durationText } from "./units.ts";
 *
 * assert.equal(durationText(0.4), "0 s");
 * assert.equal(durationText(75), "1 min 15 s");
 * assert.equal(durationText(93_600), "1 d 2 h");
 * ```
 */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const at = UNITS.findIndex(([, size]) => whole >= size);
  const [unit, size] = UNITS[at] ?? ["s", 1];
  const rest = whole % size;
  const [smaller, small] = UNITS[at + 1] ?? ["", 1];
  const more = smaller === "" ? 0 : Math.floor(rest / small);
  const text = `${Math.floor(whole / size)} ${unit}`;
  return more === 0 ? text : `${text} ${more} ${smaller}`;
}

/**
 * With a comma between thousands.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { countText } from "./units.ts";
 *
 * assert.equal(countText(12_497_500), "12,497,500");
 * ```
 */
export function countText(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

const PREFIXES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/**
 * Three digits and the binary unit (IEC 80000-13), as wg(8) has them.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { bytesText } from "./units.ts";
 *
 * assert.equal(bytesText(512), "512 B");
 * assert.equal(bytesText(1_536), "1.50 KiB");
 * assert.equal(bytesText(123_456_789), "118 MiB");
 * ```
 */
export function bytesText(bytes: number): string {
  let value = bytes;
  let at = 0;
  // What would be rounded to 1024 is one of the next.
  for (; value >= 1_023.5 && at < PREFIXES.length - 1; at++) value /= 1_024;
  if (at === 0) return `${value} B`;
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${PREFIXES[at]}`;
}
