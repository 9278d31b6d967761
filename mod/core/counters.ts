/**
 * What is counted where it happens, for `/metrics`: plain numbers in memory that
 * only grow. No library: the usual one costs each node 19 MB.
 *
 * A name and its label have few values, all of our own making: what others send
 * never makes a series.
 *
 * @module
 */

export type CounterName =
  | "turns"
  | "failed-turns"
  | "steps"
  | "drift-repairs"
  | "watch-restarts"
  | "relists"
  | "netlink-errors"
  | "dump-interrupted"
  | "enobufs"
  | "key-changes"
  | "log-lines";

/** Upper bounds in seconds of the histogram of turns; the last, without one, is implied. */
export const TURN_BOUNDS = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05],
  ...[0.1, 0.25, 0.5, 1, 2.5, 5, 10],
] as const;

export interface TurnTimes {
  /** How many took at most so many seconds, in the order of `TURN_BOUNDS`. */
  readonly atMost: readonly number[];
  readonly count: number;
  /** Seconds. */
  readonly sum: number;
}

export class Counters {
  readonly #values = new Map<CounterName, Map<string, number>>();
  readonly #atMost: number[] = TURN_BOUNDS.map(() => 0);
  #turns = 0;
  #turnSeconds = 0;

  /** One more. @param label "" where the counter has none */
  add(name: CounterName, label = ""): void {
    const values = this.#values.get(name) ?? new Map<string, number>();
    values.set(label, (values.get(label) ?? 0) + 1);
    this.#values.set(name, values);
  }

  /** By label. */
  of(name: CounterName): ReadonlyMap<string, number> {
    return this.#values.get(name) ?? new Map();
  }

  turnTook(seconds: number): void {
    this.#turns++;
    this.#turnSeconds += seconds;
    for (const [at, bound] of TURN_BOUNDS.entries()) {
      if (seconds <= bound) this.#atMost[at] = (this.#atMost[at] ?? 0) + 1;
    }
  }

  get turnTimes(): TurnTimes {
    return {
      atMost: [...this.#atMost],
      count: this.#turns,
      sum: this.#turnSeconds,
    };
  }
}
