/**
 * Framing of a watch in protobuf: four bytes of big-endian length, then so many
 * bytes, however the network cuts them. Memory is bounded by the limit.
 *
 * @module
 */

import { PendingBytes } from "./pending_bytes.ts";
import { LINE_LIMIT } from "./watch_lines.ts";

const HEADER_BYTES = 4;

export class FrameSplitter {
  readonly #limit: number;
  /** Header and all. */
  readonly #begun = new PendingBytes();

  /** @param limit bytes of the longest frame, without its header */
  constructor(limit = LINE_LIMIT) {
    this.#limit = limit;
  }

  /** Bytes of the frame that has begun. */
  get pending(): number {
    return this.#begun.length;
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
      if (this.#begun.length === 0 && chunk.length - at >= HEADER_BYTES) {
        const stop = at + HEADER_BYTES + this.#sizeAt(chunk, at);
        if (stop <= chunk.length) {
          yield chunk.subarray(at + HEADER_BYTES, stop);
          at = stop;
          continue;
        }
      }
      const wanted = this.#begun.length < HEADER_BYTES
        ? HEADER_BYTES
        : HEADER_BYTES + this.#sizeAt(this.#begun.bytes, 0);
      const part = chunk.subarray(at, at + wanted - this.#begun.length);
      this.#begun.append(part);
      at += part.length;
      const whole = this.#begun.length >= HEADER_BYTES &&
        this.#begun.length ===
          HEADER_BYTES + this.#sizeAt(this.#begun.bytes, 0);
      if (!whole) continue;
      const frame = this.#begun.bytes.subarray(HEADER_BYTES);
      this.#begun.reset();
      yield frame;
    }
  }

  #sizeAt(bytes: Uint8Array, at: number): number {
    const size = ((bytes[at] ?? 0) * 2 ** 24) + ((bytes[at + 1] ?? 0) << 16) +
      ((bytes[at + 2] ?? 0) << 8) + (bytes[at + 3] ?? 0);
    if (size <= this.#limit) return size;
    this.#begun.reset();
    throw new SyntaxError(
      `Cannot read the watch of Nodes: a frame of more than ${this.#limit} bytes`,
    );
  }
}
