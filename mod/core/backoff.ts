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
