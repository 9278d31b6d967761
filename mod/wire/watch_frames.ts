/**
 * Framing of a watch in protobuf: four bytes of big-endian length, then so many
 * bytes, however the network cuts them. Memory is bounded by the limit.
 *
 * @module
 */

import { LINE_LIMIT } from "./watch_lines.ts";

const HEADER_BYTES = 4;
const FIRST_BYTES = 16 * 1024;

export class FrameSplitter {
  readonly #limit: number;
  /** The frame that has begun, header and all, in the first `#length` bytes. */
  #buffer = new Uint8Array(FIRST_BYTES);
  #length = 0;

  /** @param limit bytes of the longest frame, without its header */
  constructor(limit = LINE_LIMIT) {
    this.#limit = limit;
  }

  /** Bytes of the frame that has begun. */
  get pending(): number {
    return this.#length;
  }

  /**
   * The frames that these bytes complete, without their headers. Each is a view
   * that holds until the next step.
   *
   * @throws {SyntaxError} where a frame is longer than the limit
   */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#length === 0 && chunk.length - at >= HEADER_BYTES) {
        const stop = at + HEADER_BYTES + this.#sizeAt(chunk, at);
        if (stop <= chunk.length) {
          yield chunk.subarray(at + HEADER_BYTES, stop);
          at = stop;
          continue;
        }
      }
      const wanted = this.#length < HEADER_BYTES
        ? HEADER_BYTES
        : HEADER_BYTES + this.#sizeAt(this.#buffer, 0);
      const part = chunk.subarray(at, at + wanted - this.#length);
      this.#append(part, wanted);
      at += part.length;
      const whole = this.#length >= HEADER_BYTES &&
        this.#length === HEADER_BYTES + this.#sizeAt(this.#buffer, 0);
      if (!whole) continue;
      const frame = this.#buffer.subarray(HEADER_BYTES, this.#length);
      this.#reset();
      yield frame;
    }
  }

  #sizeAt(bytes: Uint8Array, at: number): number {
    const size = ((bytes[at] ?? 0) * 2 ** 24) + ((bytes[at + 1] ?? 0) << 16) +
      ((bytes[at + 2] ?? 0) << 8) + (bytes[at + 3] ?? 0);
    if (size <= this.#limit) return size;
    this.#reset();
    throw new SyntaxError(
      `Cannot read the watch of Nodes: a frame of more than ${this.#limit} bytes`,
    );
  }

  #append(part: Uint8Array, wanted: number): void {
    if (wanted > this.#buffer.length) {
      let size = this.#buffer.length;
      while (size < wanted) size *= 2;
      const larger = new Uint8Array(size);
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(part, this.#length);
    this.#length += part.length;
  }

  /** Begin a frame; one that was huge does not keep its memory. */
  #reset(): void {
    this.#length = 0;
    if (this.#buffer.length > 16 * FIRST_BYTES) {
      this.#buffer = new Uint8Array(FIRST_BYTES);
    }
  }
}
