/**
 * How long to wait before trying again: twice as long each time, up to a limit,
 * with jitter, so that many agents that failed together do not return together.
 *
 * @module
 */

export interface BackoffLimits {
  /** Milliseconds of the first wait, before jitter. */
  readonly baseMs: number;
  /** Milliseconds that no wait exceeds. */
  readonly maxMs: number;
}

/**
 * Milliseconds to wait after failure number `attempt`. Half of the exponential
 * wait is certain, half random ("equal jitter"): never at once, never together.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { backoff } from "./backoff.ts";
 *
 * assert.equal(backoff(0, 0.5, { baseMs: 1_000, maxMs: 30_000 }), 750);
 * assert.equal(backoff(9, 0.5, { baseMs: 1_000, maxMs: 30_000 }), 22_500);
 * ```
 *
 * @param attempt 0 for the first failure in a row
 * @param random uniform in [0, 1)
 */
export function backoff(
  attempt: number,
  random: number,
  { baseMs, maxMs }: BackoffLimits,
): number {
  const whole = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30));
  return Math.round(whole / 2 + random * whole / 2);
}
