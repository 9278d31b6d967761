/**
 * How far a long work has come, for people: nothing where it is quick, else a
 * line every few seconds.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";

/** Milliseconds before the first line, and between two of them. */
export const PROGRESS_MS = 3_000;

export interface ProgressOptions {
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
  /** "Applying 5,000 peers". */
  readonly what: string;
  /** `undefined`: nobody knows. */
  readonly total?: number;
}

export class Progress {
  readonly #options: ProgressOptions;
  #saidAt: number;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#saidAt = options.clock.now();
  }

  /** So many are done by now. */
  at(done: number): void {
    const { clock, log, total, what } = this.#options;
    if (clock.now() - this.#saidAt < PROGRESS_MS || done === total) return;
    this.#saidAt = clock.now();
    log.info(`${what}: ${counted(done)} done`, {
      event: "progress",
      done,
      total,
    });
  }
}

/**
 * ```ts
 * import assert from "node:assert/strict";
 * import { counted } from "./progress.ts";
 *
 * assert.equal(counted(1_234_567), "1,234,567");
 * ```
 */
export function counted(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}
