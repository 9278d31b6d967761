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
