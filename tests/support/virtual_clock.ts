/**
 * A clock that stands still until a test moves it. Sleepers wake in the order of
 * their deadlines; between two of them everything that can run, runs.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Clock } from "../../mod/agent/ports.ts";

interface Sleeper {
  readonly at: number;
  wake(): void;
}

export class VirtualClock implements Clock {
  #now = 0;
  readonly #sleepers = new Set<Sleeper>();

  now(): number {
    return this.#now;
  }

  random(): number {
    return 0.5;
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const sleeper: Sleeper = {
        at: this.#now + milliseconds,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal?.removeEventListener("abort", sleeper.wake);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", sleeper.wake, { once: true });
    });
  }

  /** How many sleep. */
  get sleepers(): number {
    return this.#sleepers.size;
  }

  /** Let that many milliseconds pass. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await settle();
    while (true) {
      const next = [...this.#sleepers]
        .filter((sleeper) => sleeper.at <= end)
        .sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      next.wake();
      await settle();
    }
    this.#now = end;
  }
}

/** Lets everything run that needs no time. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 10; round++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
