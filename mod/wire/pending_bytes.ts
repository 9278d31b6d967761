/**
 * What has come of a line or a frame that is not whole yet: one buffer, used
 * again, that grows by doubling.
 *
 * @module
 */

const FIRST_BYTES = 16 * 1024;

export class PendingBytes {
  /** Its first `#length` bytes count. */
  #buffer = new Uint8Array(FIRST_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** A view that holds until the next `append()`. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  append(part: Uint8Array): void {
    const length = this.#length + part.length;
    if (length > this.#buffer.length) {
      let size = this.#buffer.length;
      while (size < length) size *= 2;
      const larger = new Uint8Array(size);
      larger.set(this.bytes);
      this.#buffer = larger;
    }
    this.#buffer.set(part, this.#length);
    this.#length = length;
  }

  /** Begin anew; what was huge does not keep its memory. Views hold on. */
  reset(): void {
    this.#length = 0;
    if (this.#buffer.length > 16 * FIRST_BYTES) {
      this.#buffer = new Uint8Array(FIRST_BYTES);
    }
  }
}
