/**
 * What many agents say of each other: a byte for each pair, four more in the rows
 * of those that give reasons. 5,000 Nodes have 25 million opinions, of which no
 * answer is kept; they come one after the other.
 *
 * @module
 */

import {
  absenceOf,
  type NodeAnswer,
  type Opinion,
  peerName,
  reasonsOf,
} from "./opinion.ts";
import type { Status } from "./status.ts";

/** By code: the worse one of two is the larger. */
export const WORDS = [
  "unasked",
  "up",
  "idle",
  "absent",
  "absent",
  "down",
] as const;

const UNASKED = 0;
/** The agent does not speak of it. */
const MISSING = 3;
/** The agent says why. */
const ABSENT = 4;

/** Does it say that there is no way? */
export function isBreakCode(code: number): boolean {
  return code >= MISSING;
}

/** What an agent has said, in numbers. */
export interface Numbers {
  readonly node: number;
  /** In the order of its answer. */
  readonly peers: readonly number[];
}

interface Row {
  /** By the number of whom it is said; 0: nothing is said of it. */
  readonly codes: Uint8Array;
  /** Numbers of texts; `undefined`: it gives no reasons. */
  readonly whys: Uint32Array | undefined;
  /** Why one that it says nothing of is no peer. */
  readonly absence: string;
  /** Why it could not be asked. */
  readonly silence: string | undefined;
}

export class OpinionTable {
  readonly #names: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #rows: (Row | undefined)[] = [];
  readonly #whys = new Texts();
  #complete: readonly (Uint8Array | undefined)[] | undefined;

  /** @param names that get the first numbers, in this order */
  constructor(names: Iterable<string> = []) {
    for (const name of names) this.#numberOf(name);
  }

  /** By number. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** What the agent on that Node says, once. */
  add(name: string, answer: NodeAnswer): Numbers {
    this.#complete = undefined;
    const node = this.#numberOf(name);
    if (answer.kind === "none") {
      this.#rows[node] = { ...NOTHING, silence: answer.why };
      return { node, peers: [] };
    }
    const { status } = answer;
    const absent = status.findings.map((each) => this.#numberOf(each.node));
    const peers = status.peers.map((peer) => this.#numberOf(peerName(peer)));
    this.#rows[node] = this.#rowOf(status, { absent, peers });
    return { node, peers };
  }

  /** Was that one to be asked? */
  isReporter(number: number): boolean {
    return this.#rows[number] !== undefined;
  }

  /**
   * By the number of who says it, then of whom: places in `WORDS`. Of one that was
   * not to be asked nobody says that it is missing; where there is nothing, nothing
   * is said.
   */
  get codes(): readonly (Uint8Array | undefined)[] {
    return this.#complete ??= this.#rows.map((row) => this.#completed(row));
  }

  #completed(row: Row | undefined): Uint8Array | undefined {
    if (row === undefined || row.silence !== undefined) return undefined;
    const { length } = this.#names;
    const codes = row.codes.length === length
      ? row.codes
      : new Uint8Array(length);
    if (codes !== row.codes) codes.set(row.codes);
    for (let at = 0; at < length; at++) {
      const missing = codes[at] === UNASKED && this.#rows[at] !== undefined;
      if (missing) codes[at] = MISSING;
    }
    return codes;
  }

  of(from: number, of: number): Opinion {
    const row = this.#rows[from];
    const code = this.codes[from]?.[of] ?? UNASKED;
    const word = WORDS[code] ?? "unasked";
    if (row === undefined) return { word, why: "" };
    if (code === MISSING) return { word, why: row.absence };
    if (code !== UNASKED) {
      return { word, why: this.#whys.text(row.whys?.[of] ?? 0) };
    }
    return { word, why: this.isReporter(of) ? row.silence ?? "" : "" };
  }

  #numberOf(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#names.push(name) - 1;
    this.#numbers.set(name, number);
    return number;
  }

  #rowOf(
    status: Status,
    { absent, peers }: {
      readonly absent: readonly number[];
      readonly peers: readonly number[];
    },
  ): Row {
    const { length } = this.#names;
    const codes = new Uint8Array(length);
    let whys: Uint32Array | undefined;
    const explain = (number: number, why: string): void => {
      if (why !== "") whys ??= new Uint32Array(length);
      if (whys !== undefined) whys[number] = this.#whys.number(why);
    };
    for (const [at, finding] of status.findings.entries()) {
      const number = absent[at] ?? 0;
      codes[number] = ABSENT;
      explain(number, reasonsOf(finding));
    }
    for (const [at, { probe, state }] of status.peers.entries()) {
      const number = peers[at] ?? 0;
      codes[number] = WORDS.indexOf(state);
      explain(number, state === "down" ? probe?.failure ?? "" : "");
    }
    return { codes, whys, absence: absenceOf(status), silence: undefined };
  }
}

const NOTHING = { codes: new Uint8Array(), whys: undefined, absence: "" };

/** Different ones that are kept, and letters of each. */
const MOST_TEXTS = 100_000;
const MOST_LETTERS = 1_000;

/** Those that many say are kept once. */
class Texts {
  readonly #texts = ["", "one of too many different reasons to keep them"];
  readonly #numbers = new Map([["", 0]]);

  number(text: string): number {
    const short = text.slice(0, MOST_LETTERS);
    const known = this.#numbers.get(short);
    if (known !== undefined) return known;
    if (this.#texts.length > MOST_TEXTS) return 1;
    const number = this.#texts.push(short) - 1;
    this.#numbers.set(short, number);
    return number;
  }

  text(number: number): string {
    return this.#texts[number] ?? "";
  }
}
