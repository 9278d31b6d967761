/**
 * What of a node's troubles is to be told, and when: each that has lasted, again
 * now and then as long as it does, and once that all is well again. However much
 * comes and goes, no more than a bucket of tokens allows.
 *
 * One entry for each reason, of which there are few: what is held is bounded.
 * Nothing waits in a queue; what has passed before it could be told is not told.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { Told } from "./event.ts";
import { REASON_UP } from "./node_condition.ts";

export interface Trouble {
  /** CamelCase. */
  readonly reason: string;
  /** A sentence, with the cure. */
  readonly note: string;
}

/** Milliseconds that a trouble lasts before it is told, and as much again at most, at random. */
export const LASTS_MS = 15_000;
/** Milliseconds after which one that lasts is told again: Events are forgotten after an hour. */
export const AGAIN_MS = 600_000;
/** Tokens that the bucket holds, and milliseconds for each to come back. */
export const BURST = 10;
export const TOKEN_MS = 120_000;

interface Standing {
  note: string;
  /** When it is to be told; `Clock.now()`. */
  dueAt: number;
}

export class Troubles {
  readonly #clock: Clock;
  readonly #standing = new Map<string, Standing>();
  /** Reasons that were told, and have not been called off. */
  readonly #open = new Set<string>();
  #wellAt: number | undefined;
  #tokens = BURST;
  #tokensAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#tokensAt = clock.now();
  }

  /** @param troubles all that are so now */
  look(troubles: readonly Trouble[]): void {
    const now = this.#clock.now();
    const reasons = new Set<string>();
    for (const { reason, note } of troubles) {
      if (reasons.has(reason)) continue; // the first sentence stands for all of them
      reasons.add(reason);
      const known = this.#standing.get(reason);
      if (known !== undefined) known.note = note;
      else {
        const dueAt = now + LASTS_MS * (1 + this.#clock.random());
        this.#standing.set(reason, { note, dueAt });
      }
    }
    for (const reason of [...this.#standing.keys()]) {
      if (!reasons.has(reason)) this.#standing.delete(reason);
    }
    if (this.#standing.size > 0 || this.#open.size === 0) {
      this.#wellAt = undefined;
    } else this.#wellAt ??= now + LASTS_MS;
  }

  /** What is to be told now, if the bucket allows it; asked for again until `told()`. */
  next(): Told | undefined {
    const now = this.#clock.now();
    if (this.wait() > 0) return undefined;
    for (const [reason, { note, dueAt }] of this.#standing) {
      if (dueAt <= now) return { type: "Warning", reason, note };
    }
    return {
      type: "Normal",
      reason: REASON_UP,
      note: `All is well again: no more ${[...this.#open].sort().join(", ")}`,
    };
  }

  /** A request is made for it, whatever comes of it. */
  spend(): void {
    this.#refill();
    this.#tokens--;
  }

  told({ type, reason }: Told): void {
    if (type === "Normal") {
      this.#open.clear();
      this.#wellAt = undefined;
      return;
    }
    this.#open.add(reason);
    const standing = this.#standing.get(reason);
    if (standing === undefined) return;
    standing.dueAt = this.#clock.now() + AGAIN_MS;
  }

  /** Milliseconds until there is something to tell; `Infinity`: nothing is in sight. */
  wait(): number {
    const due = Math.min(
      this.#wellAt ?? Infinity,
      ...this.#standing.values().map(({ dueAt }) => dueAt),
    );
    if (due === Infinity) return Infinity;
    this.#refill();
    const missing = Math.max(0, 1 - this.#tokens);
    return Math.max(0, due - this.#clock.now(), Math.ceil(missing * TOKEN_MS));
  }

  #refill(): void {
    const now = this.#clock.now();
    const more = (now - this.#tokensAt) / TOKEN_MS;
    this.#tokens = Math.min(BURST, this.#tokens + more);
    this.#tokensAt = now;
  }
}
