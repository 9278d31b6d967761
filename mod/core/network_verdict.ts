/**
 * Is this node's network up or down? What each turn finds, made steady: a repair
 * of a moment is no outage, and what comes and goes does not make the answer do so.
 *
 * Time comes in as an argument, and is monotonic.
 *
 * @module
 */

import {
  NETWORK_IS_UP,
  type NetworkCondition,
  networkIsDown,
} from "./node_condition.ts";
import type { Problem } from "./problem.ts";

/** Milliseconds that an outage lasts before it is told. */
export const DOWN_AFTER_MS = 15_000;

/** Milliseconds that the network stands after its first outage before that is told; then twice as long each time. */
export const UP_AFTER_MS = 5_000;
const UP_AFTER_MOST_MS = 300_000;

/** Milliseconds without an outage after which the past ones are forgotten. */
const FORGET_MS = 1_800_000;

/** Milliseconds that one sentence stays, though the reason may have changed. */
const SENTENCE_MS = 60_000;

/** What a turn has found for the pods of this node. */
export interface Found {
  /** UID of our own Node, as the turn knew it. */
  readonly nodeUid: string;
  /** Why pods have no network here; none: they have. */
  readonly outages: readonly Problem[];
}

export interface Verdict {
  /** UID of the Node that it is about; "": none yet. */
  readonly nodeUid: string;
  /** `undefined`: nothing to be said yet, or what was said last. */
  readonly condition: NetworkCondition | undefined;
  /** When it may be another without any further report; `Infinity`: it will not. */
  readonly until: number;
}

export class NetworkVerdict {
  #nodeUid = "";
  #outages: readonly Problem[] | undefined;
  /** Since when there are outages, or none. */
  #since = 0;
  /** Times that "down" was said, lately. */
  #downs = 0;
  #said: NetworkCondition | undefined;
  #saidAt = 0;

  /** A Node with another UID is judged from the beginning. */
  report({ nodeUid, outages }: Found, now: number): void {
    if (nodeUid !== this.#nodeUid) {
      this.#outages = undefined;
      this.#said = undefined;
    }
    this.#nodeUid = nodeUid;
    const before = this.#outages;
    this.#outages = outages;
    const isTurn = before === undefined ||
      (before.length === 0) !== (outages.length === 0);
    if (isTurn) this.#since = now;
  }

  at(now: number): Verdict {
    const due = this.#due(now);
    if (due === undefined || now < due) {
      return this.#verdict(due ?? Infinity);
    }
    const [first, ...rest] = this.#outages ?? [];
    if (first === undefined) this.#sayUp(now);
    else this.#sayDown(first, { more: rest.length, now });
    const again = this.#due(now) ?? Infinity;
    return this.#verdict(again > now ? again : Infinity);
  }

  #verdict(until: number): Verdict {
    return { nodeUid: this.#nodeUid, condition: this.#said, until };
  }

  /** When what has been reported is to be said. */
  #due(now: number): number | undefined {
    if (this.#outages === undefined) return undefined;
    if (this.#outages.length > 0) {
      const isDown = this.#said !== undefined && this.#said !== NETWORK_IS_UP;
      return isDown ? this.#saidAt + SENTENCE_MS : this.#since + DOWN_AFTER_MS;
    }
    if (this.#downs === 0 || now - this.#since >= FORGET_MS) return this.#since;
    const wait = UP_AFTER_MS * 2 ** Math.min(this.#downs - 1, 10);
    return this.#since + Math.min(UP_AFTER_MOST_MS, wait);
  }

  #sayUp(now: number): void {
    if (now - this.#since >= FORGET_MS) this.#downs = 0;
    this.#said = NETWORK_IS_UP;
    this.#saidAt = now;
  }

  #sayDown(
    { reason, text: first }: Problem,
    options: { readonly more: number; readonly now: number },
  ): void {
    const { more, now } = options;
    if (this.#said === undefined || this.#said === NETWORK_IS_UP) this.#downs++;
    const text = more === 0 ? first : `${first} (and ${more} more)`;
    this.#said = networkIsDown({ reason, text });
    this.#saidAt = now;
  }
}
