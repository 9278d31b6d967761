/**
 * Framing of a watch in JSON: one event a line, however the network cuts the
 * bytes. Lines are split as bytes, so no character is ever torn; memory is
 * bounded by the limit, whatever comes.
 *
 * @module
 */

/** Bytes. A Node is about 13 KB; etcd refuses objects beyond 1.5 MB. */
export const LINE_LIMIT = 4 * 1024 * 1024;

const LF = 0x0a;
const CR = 0x0d;
const FIRST_BYTES = 16 * 1024;

export class LineSplitter {
  readonly #limit: number;
  /** The line that has begun, in the first `#length` bytes. */
  #buffer = new Uint8Array(FIRST_BYTES);
  #length = 0;

  /** @param limit bytes of the longest line */
  constructor(limit = LINE_LIMIT) {
    this.#limit = limit;
  }

  /** Bytes of the line that has begun. */
  get pending(): number {
    return this.#length;
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
      if (this.#length + stop - at > this.#limit) {
        this.#reset();
        throw new SyntaxError(
          `Cannot read the watch of Nodes: a line of more than ${this.#limit} bytes`,
        );
      }
      if (end < 0) break;
      const line = this.#complete(chunk.subarray(at, end));
      if (line.length > 0) yield line;
      at = end + 1;
    }
    this.#append(chunk.subarray(at));
  }

  #complete(part: Uint8Array): Uint8Array {
    let line = part;
    if (this.#length > 0) {
      this.#append(part);
      line = this.#buffer.subarray(0, this.#length);
      this.#reset();
    }
    return line.at(-1) === CR ? line.subarray(0, -1) : line;
  }

  #append(part: Uint8Array): void {
    const length = this.#length + part.length;
    if (length > this.#buffer.length) {
      let size = this.#buffer.length;
      while (size < length) size *= 2;
      const larger = new Uint8Array(size);
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(part, this.#length);
    this.#length = length;
  }

  /** Begin a line; one that was huge does not keep its memory. */
  #reset(): void {
    this.#length = 0;
    if (this.#buffer.length > 16 * FIRST_BYTES) {
      this.#buffer = new Uint8Array(FIRST_BYTES);
    }
  }
}
