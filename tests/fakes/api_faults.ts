/**
 * What the API server of the tests does wrong on purpose. A fault waits in the
 * queue for a request that it is meant for, and goes after `times` of them.
 *
 * @module
 */

export type Verb =
  | "list"
  | "watch"
  | "get"
  | "patch"
  | "create"
  | "update"
  | "delete";

export type FaultAction =
  /** Answer with this Status. */
  | {
    readonly kind: "status";
    readonly code: number;
    readonly reason?: string;
    readonly message?: string;
    /** Seconds. */
    readonly retryAfter?: number;
  }
  /** A watch: answer 200, then this Status as an ERROR event, then end. */
  | {
    readonly kind: "error-event";
    readonly code: number;
    readonly reason?: string;
    readonly message?: string;
    readonly details?: Readonly<Record<string, string | number>>;
  }
  /** Never answer. */
  | { readonly kind: "hang" }
  /** A watch: answer 200, and then nothing at all. */
  | { readonly kind: "silence" }
  /** A watch: end it cleanly after so many milliseconds. */
  | { readonly kind: "eof"; readonly milliseconds: number }
  /** A watch: break it off after so many bytes, in mid-line. */
  | { readonly kind: "cut"; readonly bytes: number }
  /** Answer 200 with this body; `repeat` it so often. */
  | { readonly kind: "body"; readonly text: string; readonly repeat?: number }
  /** Answer from a state that is so many versions behind. */
  | { readonly kind: "lag"; readonly versions: number }
  /** Say "Too large resource version" in one of its three historical forms. */
  | { readonly kind: "too-large"; readonly form: 1 | 2 | 3 }
  /** Forget the history before this request is served. */
  | { readonly kind: "compact" }
  /** Answer, but only after so many milliseconds. */
  | { readonly kind: "slow"; readonly milliseconds: number };

export type Fault = FaultAction & {
  /** Default: all. */
  readonly verbs?: readonly Verb[];
  /** Default: 1; 0: until it is cleared. */
  readonly times?: number;
  /** Only a request whose query has this text. */
  readonly query?: string;
  /** Let so many that it is meant for pass first. */
  readonly after?: number;
};

export class Faults {
  #waiting: { fault: Fault; left: number; skip: number }[] = [];

  add(...faults: readonly Fault[]): void {
    for (const fault of faults) {
      const left = fault.times === 0 ? Infinity : fault.times ?? 1;
      this.#waiting.push({ fault, left, skip: fault.after ?? 0 });
    }
  }

  clear(): void {
    this.#waiting = [];
  }

  /** The fault that this request meets, if any. */
  take(verb: Verb, url: URL): Fault | undefined {
    for (const entry of this.#waiting) {
      const { verbs, query } = entry.fault;
      if (verbs !== undefined && !verbs.includes(verb)) continue;
      if (query !== undefined && !url.search.includes(query)) continue;
      if (entry.skip-- > 0) continue;
      if (--entry.left <= 0) {
        this.#waiting = this.#waiting.filter((other) => other !== entry);
      }
      return entry.fault;
    }
    return undefined;
  }
}
