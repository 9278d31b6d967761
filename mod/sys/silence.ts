/**
 * A deadline that moves on whenever something is heard: what `fetch` lacks.
 *
 * @module
 */

import type { Clock } from "../core/clock.ts";

export class Silence {
  readonly #clock: Clock;
  readonly #milliseconds: number;
  readonly #stop = new AbortController();
  #heard: number;

  /** `expire` is called once, if nothing is heard for that long. */
  constructor(clock: Clock, milliseconds: number, expire: () => void) {
    this.#clock = clock;
    this.#milliseconds = milliseconds;
    this.#heard = clock.now();
    void this.#watch(expire);
  }

  heard(): void {
    this.#heard = this.#clock.now();
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  async #watch(expire: () => void): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const left = this.#heard + this.#milliseconds - this.#clock.now();
      if (left <= 0) return expire();
      await this.#clock.sleep(left, signal);
    }
  }
}
