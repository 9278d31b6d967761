/**
 * How much of a large file has been copied, for somebody who has begun to wonder.
 * What is quick says nothing.
 *
 * @module
 */

import type { Clock } from "../core/clock.ts";
import { progress } from "./terminal.ts";

/** Milliseconds before the first word, and between two. */
const FIRST_MS = 1_000;
const EACH_MS = 200;

export interface CopyProgressOptions {
  readonly clock: Pick<Clock, "now">;
  /** Bytes of the whole file. */
  readonly size: number;
  /** Shows a line in place of the last, until it is disposed of; the terminal's by default. */
  readonly say?: (text: string) => Disposable;
}

export class CopyProgress implements Disposable {
  readonly #path: string;
  readonly #options: Required<CopyProgressOptions>;
  #line: Disposable | undefined;
  #next: number;
  #written = 0;

  constructor(path: string, options: CopyProgressOptions) {
    this.#path = path;
    this.#options = { say: progress, ...options };
    this.#next = options.clock.now() + FIRST_MS;
  }

  wrote(bytes: number): void {
    this.#written += bytes;
    const { clock, say, size } = this.#options;
    const now = clock.now();
    if (now < this.#next) return;
    this.#next = now + EACH_MS;
    const percent = Math.floor(100 * this.#written / Math.max(1, size));
    this.#line = say(`writing ${this.#path}: ${percent} %`);
  }

  [Symbol.dispose](): void {
    this.#line?.[Symbol.dispose]();
  }
}
