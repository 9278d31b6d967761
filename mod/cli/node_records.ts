/**
 * A list of Nodes that is written while they answer: sorted by name, as far as
 * what would have to wait fits into memory, and no longer than somebody reads.
 *
 * @module
 */

import { InOrder } from "../core/in_order.ts";
import type { Records } from "../view/records.ts";
import { writeOut } from "./terminal.ts";

/** Letters of answers that wait for one that comes before them by name. */
const WAITING_LETTERS = 64 * 1024 * 1024;

export class NodeRecords {
  readonly #records: Records;
  readonly #order = new InOrder(WAITING_LETTERS);
  readonly #unread = new AbortController();
  #places: ReadonlyMap<string, number> = new Map();
  #last = Promise.resolve();

  constructor(records: Records) {
    this.#records = records;
  }

  /** Aborted where nobody reads any more. */
  get signal(): AbortSignal {
    return this.#unread.signal;
  }

  /** @param names of all that will come, sorted */
  begin(
    head: Readonly<Record<string, unknown>>,
    names: readonly string[],
  ): void {
    this.#places = new Map(names.map((name, at) => [name, at]));
    const records = this.#records;
    void this.write(records.begin(head) + records.list("nodes"));
  }

  /** Of one Node, whenever it comes. */
  async add(name: string, value: unknown): Promise<void> {
    const item = this.#records.item(value);
    const due = this.#order.put(this.#places.get(name) ?? 0, item);
    await this.write(this.#records.rows(due));
  }

  async endNodes(): Promise<void> {
    const rest = this.#records.rows(this.#order.rest());
    await this.write(rest + this.#records.endList());
  }

  /** One after the other, whoever has answered meanwhile. */
  async write(text: string): Promise<void> {
    this.#last = this.#last.then(async () => {
      if (this.signal.aborted) return;
      if (!await writeOut(text)) this.#unread.abort();
    });
    await this.#last;
  }
}
