/**
 * What stands and what does not: the log, systemd's STATUS and `--once` all read
 * it here, so that they never disagree.
 *
 * @module
 */

import { FIRST_LIST_MISSING } from "../core/desired.ts";
import { type Problem, textsOf } from "../core/problem.ts";

/**
 * Who found it ("nodes" is the watch): a later report of the same source replaces
 * the earlier one. The condition is not waited for: it tells of the others.
 */
export type Source = typeof SOURCES[number] | "condition";

/** In the order in which people hear of them. */
const SOURCES = ["kernel", "nodes", "key", "version"] as const;

export interface Summary {
  readonly ready: boolean;
  /** Nobody has found anything wrong, but not everybody has looked yet. */
  readonly starting: boolean;
  /** "OK, 12 peers", or "Starting: …" or "Degraded: …" with the first sentence and how many more. */
  readonly text: string;
}

/** What stands for a source that has not reported yet. */
const UNREPORTED: Readonly<Record<typeof SOURCES[number], string>> = {
  kernel: "The kernel has not been set up yet",
  nodes: FIRST_LIST_MISSING.text,
  key: "The public key is not on the Node yet",
  version: "The API server has not been asked for its version yet",
};

export class Health {
  #reported = new Map<Source, readonly Problem[]>();
  #peers = 0;
  readonly #changed: (summary: Summary) => void;

  /** @param changed called after the summary has changed; must not throw */
  constructor(changed: (summary: Summary) => void = () => {}) {
    this.#changed = changed;
  }

  /** An empty list: all is well there. */
  report(source: Source, problems: readonly Problem[]): void {
    const before = this.summary().text;
    this.#reported.set(source, problems);
    const summary = this.summary();
    if (summary.text !== before) this.#changed(summary);
  }

  setPeers(count: number): void {
    if (count === this.#peers) return;
    this.#peers = count;
    const summary = this.summary();
    if (summary.ready) this.#changed(summary);
  }

  /** Has this source looked, and found nothing wrong? */
  stands(source: Source): boolean {
    return this.#reported.get(source)?.length === 0;
  }

  /** For people: what was found, then what is still to be looked at. */
  sentences(): readonly string[] {
    return [...new Set([...textsOf(this.found()), ...this.#unreported()])];
  }

  summary(): Summary {
    const [first, ...rest] = this.sentences();
    if (first === undefined) {
      const peers = this.#peers === 1 ? "1 peer" : `${this.#peers} peers`;
      return { ready: true, starting: false, text: `OK, ${peers}` };
    }
    const starting = this.found().length === 0;
    const more = rest.length === 0 ? "" : ` (and ${rest.length} more)`;
    const text = `${starting ? "Starting" : "Degraded"}: ${first}${more}`;
    return { ready: false, starting, text };
  }

  /** What somebody has found wrong, each once: a right that is missing fails several. */
  found(): readonly Problem[] {
    const of = (source: Source): readonly Problem[] =>
      this.#reported.get(source) ?? [];
    // Why there is no list says more than that there is none.
    const known = of("nodes").length > 0;
    const all = [...SOURCES, "condition" as const].flatMap(of)
      .filter(({ reason }) => !known || reason !== FIRST_LIST_MISSING.reason);
    return [...new Map(all.map((each) => [each.text, each])).values()];
  }

  #unreported(): readonly string[] {
    const answered = (this.#reported.get("nodes") ?? []).length === 0;
    return SOURCES.filter((source) =>
      !this.#reported.has(source) && (answered || source !== "version")
    ).map((source) => UNREPORTED[source]);
  }
}
