/**
 * When two Nodes last shook hands, and what went from one to the other: as both
 * have counted it, or one of them. Twelve bytes a pair where there are many.
 *
 * @module
 */

import type { Numbers } from "../core/opinion_table.ts";
import type { PeerStatus } from "../core/status.ts";

/** Nodes beyond which counters are kept to seven digits: there are millions of pairs. */
const EXACT_NODES = 1_000;

type Counts = Float32Array | Float64Array;

/** As one Node has it, by the number of the other. */
interface Row {
  /** Seconds; NaN: never. */
  readonly ages: Counts;
  readonly sent: Counts;
  readonly received: Counts;
}

export class PairFigures {
  readonly #rows: (Row | undefined)[] = [];
  readonly #exact: boolean;

  /** @param nodes that there will be, as far as that is known */
  constructor(nodes: number) {
    this.#exact = nodes <= EXACT_NODES;
  }

  /** @param length how many numbers there are now */
  add(numbers: Numbers, peers: readonly PeerStatus[], length: number): void {
    const counts = (): Counts =>
      this.#exact ? new Float64Array(length) : new Float32Array(length);
    const ages = counts().fill(NaN);
    const row = { ages, sent: counts(), received: counts() };
    for (const [at, peer] of peers.entries()) {
      const other = numbers.peers[at] ?? 0;
      row.ages[other] = peer.handshakeSeconds ?? NaN;
      row.sent[other] = peer.sentBytes;
      row.received[other] = peer.receivedBytes;
    }
    this.#rows[numbers.node] = row;
  }

  /** Since the younger one. `null`: there was none. */
  handshakeSeconds(one: number, other: number): number | null {
    const forth = this.#rows[one]?.ages[other] ?? NaN;
    const back = this.#rows[other]?.ages[one] ?? NaN;
    const age = Number.isNaN(forth) || back < forth ? back : forth;
    if (Number.isNaN(age)) return null;
    return this.#exact ? age : Math.round(age * 10) / 10;
  }

  /** As the one who knows of more of them has it. */
  bytes(from: number, to: number): number {
    return Math.max(
      this.#rows[from]?.sent[to] ?? 0,
      this.#rows[to]?.received[from] ?? 0,
    );
  }
}
