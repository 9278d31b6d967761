/**
 * A bell: callbacks ring it, the loop waits for it and then looks at everything
 * anew. Rings never throw and never block; three rings are one turn.
 *
 * @module
 */

import type { Clock } from "./ports.ts";

export class Bell {
  #rung = new Set<string>();
  #wake = Promise.withResolvers<void>();

  /** @param why a word for the log: "node", "link", "route", "timer" */
  ring(why: string): void {
    this.#rung.add(why);
    this.#wake.resolve();
  }

  get rung(): boolean {
    return this.#rung.size > 0;
  }

  /** What rang since the last call; empty after a time-out or abort. */
  take(): ReadonlySet<string> {
    const rung = this.#rung;
    this.#rung = new Set();
    this.#wake = Promise.withResolvers<void>();
    return rung;
  }

  /** Resolves when it rings, after `milliseconds`, or when aborted; never rejects. */
  async wait(
    milliseconds: number,
    options: { readonly clock: Clock; readonly signal: AbortSignal },
  ): Promise<void> {
    if (this.#rung.size > 0 || options.signal.aborted) return;
    const done = new AbortController();
    const abort = (): void => done.abort();
    options.signal.addEventListener("abort", abort, { once: true });
    await Promise.race([
      this.#wake.promise,
      options.clock.sleep(milliseconds, done.signal),
    ]);
    options.signal.removeEventListener("abort", abort);
    done.abort();
  }
}
