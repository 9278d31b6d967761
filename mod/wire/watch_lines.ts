/**
 * Framing of a watch in JSON: one event a line, however the network cuts the
 * bytes. Lines are split as bytes, so no character is ever torn; memory is
 * bounded by the limit, whatever comes.
 *
 * @module
 */

import { PendingBytes } from "./pending_bytes.ts";

/** Bytes. A Node is about 13 KB; etcd refuses objects beyond 1.5 MB. */
export const LINE_LIMIT = 4 * 1024 * 1024;

const LF = 0x0a;
const CR = 0x0d;

export class LineSplitter {
  readonly #limit: number;
  readonly #begun = new PendingBytes();

  /** @param limit bytes of the longest line */
  constructor(limit = LINE_LIMIT) {
    this.#limit = limit;
  }

  /** Bytes of the line that has begun. */
  get pending(): number {
    return this.#begun.length;
  }

  /**
   * The lines that these bytes complete, without their ends (LF or CR LF);
   * empty ones are left out. Each is a view that holds until the next step.
   *
   * @throws {SyntaxError} where a line is longer than the limit
   */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let at = 0;
    for (;;) {
      const end = chunk.indexOf(LF, at);
      const stop = end < 0 ? chunk.length : end;
      if (this.#begun.length + stop - at > this.#limit) {
        this.#begun.reset();
        throw new SyntaxError(
          `Cannot read the watch of Nodes: a line of more than ${this.#limit} bytes`,
        );
      }
      if (end < 0) break;
      const line = this.#complete(chunk.subarray(at, end));
      if (line.length > 0) yield line;
      at = end + 1;
    }
    this.#begun.append(chunk.subarray(at));
  }

  #complete(part: Uint8Array): Uint8Array {
    let line = part;
    if (this.#begun.length > 0) {
      this.#begun.append(part);
      line = this.#begun.bytes;
      this.#begun.reset();
    }
    return line.at(-1) === CR ? line.subarray(0, -1) : line;
  }
}
