/**
 * What stands and what does not, as sentences: the log, systemd's STATUS and
 * `--once` all read it here, so that they never disagree.
 *
 * @module
 */

/** Who found it ("nodes" is the watch): a later report of the same source replaces the earlier one. */
export type Source = "nodes" | "kernel" | "key";

export interface Summary {
  readonly ready: boolean;
  /** "OK, 12 peers", or "Degraded: …" with the first problem and how many more. */
  readonly text: string;
}

export class Health {
  #problems = new Map<Source, readonly string[]>([
    ["kernel", ["The kernel has not been set up yet"]],
    ["nodes", ["The first list of Nodes has not arrived yet"]],
    ["key", ["The public key is not on the Node yet"]],
  ]);
  #peers = 0;
  readonly #changed: (summary: Summary) => void;

  /** @param changed called after the summary has changed; must not throw */
  constructor(changed: (summary: Summary) => void = () => {}) {
    this.#changed = changed;
  }

  /** An empty list: all is well there. */
  report(source: Source, problems: readonly string[]): void {
    const before = this.summary().text;
    this.#problems.set(source, problems);
    const summary = this.summary();
    if (summary.text !== before) this.#changed(summary);
  }

  setPeers(count: number): void {
    if (count === this.#peers) return;
    this.#peers = count;
    const summary = this.summary();
    if (summary.ready) this.#changed(summary);
  }

  problems(): readonly string[] {
    return [...this.#problems.values()].flat();
  }

  summary(): Summary {
    const [first, ...rest] = this.problems();
    if (first === undefined) {
      const peers = this.#peers === 1 ? "1 peer" : `${this.#peers} peers`;
      return { ready: true, text: `OK, ${peers}` };
    }
    const more = rest.length === 0 ? "" : ` (and ${rest.length} more)`;
    return { ready: false, text: `Degraded: ${first}${more}` };
  }
}
