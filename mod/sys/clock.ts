/**
 * Time, sleep and randomness of the real world.
 *
 * @module
 */

/**
 * A time of day as metav1.Time has it: RFC 3339, UTC, whole seconds.
 *
 * @param time milliseconds since 1970; default: now
 */
export function utcText(time = Date.now()): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, "Z");
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
