/**
 * What has happened, for people who come later: the last of it, bounded.
 *
 * @module
 */

import { utcText } from "./clock.ts";

/** Entries that are kept. */
export const HISTORY_LIMIT = 200;

/** Letters of a sentence: it may hold what others wrote. */
const TEXT_LIMIT = 300;

export interface HistoryEntry {
  /** RFC 3339, UTC: when it was so last. */
  readonly time: string;
  readonly kind: "ready" | "not-ready" | "peer" | "node";
  readonly text: string;
  /** How often in a row. */
  readonly times: number;
}

/**
 * ```ts
 * import assert from "node:assert/strict";
 * import { History } from "./history.ts";
 *
 * const history = new History(() => 0);
 * history.add("peer", "n2 is a peer");
 * assert.equal(history.entries()[0]?.time, "1970-01-01T00:00:00Z");
 * ```
 */
export class History {
  readonly #entries: HistoryEntry[] = [];
  readonly #wallClock: () => number;

  /** @param wallClock milliseconds since 1970 */
  constructor(wallClock: () => number) {
    this.#wallClock = wallClock;
  }

  add(kind: HistoryEntry["kind"], sentence: string): void {
    const time = utcText(this.#wallClock());
    const text = sentence.slice(0, TEXT_LIMIT);
    const last = this.#entries.at(-1);
    const again = last?.kind === kind && last.text === text;
    if (again) this.#entries.pop();
    this.#entries.push({ time, kind, text, times: again ? last.times + 1 : 1 });
    if (this.#entries.length > HISTORY_LIMIT) this.#entries.shift();
  }

  /** The oldest first. */
  entries(): readonly HistoryEntry[] {
    return this.#entries;
  }
}
