/**
 * How often a server that is in trouble is asked: exponentially less, at random,
 * never more than one request in four seconds on average, whatever goes wrong in
 * whatever order.
 *
 * @module
 */

import { backoff } from "./backoff.ts";
import type { Clock } from "./clock.ts";

/** Requests a second, on average. */
const RATE = 0.25;
/** Requests that may come at once, unless told otherwise. */
const BURST = 6;
const LIMITS = { baseMs: 1_000, maxMs: 30_000 };

export class Pace {
  readonly #clock: Clock;
  readonly #burst: number;
  /** May be negative: pages of one list do not wait, but are paid for. */
  #budget: number;
  #at: number;
  #failures = 0;

  /** @param burst requests that may come at once */
  constructor(clock: Clock, burst = BURST) {
    this.#clock = clock;
    this.#burst = burst;
    this.#budget = burst;
    this.#at = clock.now();
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** A request is made. */
  spend(): void {
    this.#refill();
    this.#budget -= 1;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /**
   * Milliseconds to wait after another failure.
   *
   * @param atLeast milliseconds that the server asked for
   */
  failed(atLeast = 0): number {
    const wait = backoff(this.#failures++, this.#clock.random(), LIMITS);
    // Asked to come at the same moment, not all come at it.
    const asked = atLeast === 0
      ? 0
      : atLeast + this.#clock.random() * Math.min(atLeast, LIMITS.baseMs);
    return Math.max(wait, asked, this.wait());
  }

  /** Milliseconds until the budget allows another request. */
  wait(): number {
    this.#refill();
    return Math.max(0, Math.ceil((1 - this.#budget) / RATE * 1_000));
  }

  #refill(): void {
    const now = this.#clock.now();
    this.#budget = Math.min(
      this.#burst,
      this.#budget + (now - this.#at) / 1_000 * RATE,
    );
    this.#at = now;
  }
}
