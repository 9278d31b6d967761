/**
 * Time, sleep and randomness of the real world.
 *
 * @module
 */

import { utcText } from "../core/clock.ts";

/** RFC 3339, UTC, whole seconds. */
export function utcNow(): string {
  return utcText(Date.now());
}

/** Fits the agent's port `Clock`. */
export const systemClock = {
  now(): number {
    return performance.now();
  },

  random(): number {
    return Math.random();
  },

  /** Resolves after that time or when aborted; never rejects, leaves no timer behind. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      signal?.addEventListener("abort", end, { once: true });
    });
  },
};
