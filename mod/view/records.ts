/**
 * An object with long lists in it, written item by item: as JSON, an item a line.
 *
 * @module
 */

/** All give the next piece of the text. */
export interface Records {
  begin(head: Readonly<Record<string, unknown>>): string;
  list(name: string): string;
  /** Of items, in this order; no line end after the last. */
  rows(items: readonly string[]): string;
  endList(): string;
  end(): string;
  /** One item, for `rows()`. */
  item(value: unknown): string;
}

export class JsonRecords implements Records {
  #rows = 0;

  begin(head: Readonly<Record<string, unknown>>): string {
    const fields = Object.entries(head).map(([key, value]) =>
      `${JSON.stringify(key)}: ${JSON.stringify(value)}`
    );
    return `{\n${fields.join(",\n")}`;
  }

  list(name: string): string {
    this.#rows = 0;
    return `,\n${JSON.stringify(name)}: [`;
  }

  item(value: unknown): string {
    return JSON.stringify(value);
  }

  rows(items: readonly string[]): string {
    return items.map((item) => `${this.#rows++ === 0 ? "" : ","}\n${item}`)
      .join("");
  }

  endList(): string {
    return this.#rows === 0 ? "]" : "\n]";
  }

  /** After a list. */
  field(name: string, value: unknown): string {
    return `,\n${JSON.stringify(name)}: ${JSON.stringify(value)}`;
  }

  end(): string {
    return "\n}\n";
  }
}

/** Letters of one piece: a write for each item would be slow. */
const PIECE_LETTERS = 65_536;

/** A list of many items, in pieces. */
export function* listOf(
  records: Records,
  name: string,
  values: Iterable<unknown>,
): Generator<string> {
  let piece = records.list(name);
  for (const value of values) {
    piece += records.rows([records.item(value)]);
    if (piece.length < PIECE_LETTERS) continue;
    yield piece;
    piece = "";
  }
  yield piece + records.endList();
}
