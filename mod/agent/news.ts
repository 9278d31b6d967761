/**
 * Says, once, what is worth a line and is no problem: again only after it has
 * not been so for a while.
 *
 * @module
 */

import type { Log } from "../core/log.ts";

export class News {
  readonly #log: Log;
  #said: readonly string[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  /** @param sentences all that are so now */
  say(sentences: readonly string[]): void {
    for (const sentence of sentences) {
      if (!this.#said.includes(sentence)) {
        this.#log.warn(sentence, { event: "noted" });
      }
    }
    this.#said = sentences;
  }
}
