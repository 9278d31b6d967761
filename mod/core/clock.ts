/**
 * Time and randomness as things that are handed in: tests have their own.
 *
 * @module
 */

/** Monotonic time and sleep. */
export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Resolves after that many milliseconds, or at once when aborted. Never rejects. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** Uniform in [0, 1), for jitter. */
  random(): number;
}

/**
 * A time of day as metav1.Time has it: RFC 3339, UTC, whole seconds.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { utcText } from "./clock.ts";
 *
 * assert.equal(utcText(1_500), "1970-01-01T00:00:01Z");
 * ```
 *
 * @param time milliseconds since 1970
 */
export function utcText(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, "Z");
}
