/**
 * Fingerprints of bytes: has any of them changed since the last time?
 *
 * @module
 */

/**
 * 53 bits over bytes, quickly: two multiplicative hashes of 32 bits, told apart by
 * their multipliers, and mixed at the end as MurmurHash3 does. It has to tell a
 * Node's state from its last one; secrets are no matter of it.
 */
export class Fingerprint {
  #a: number;
  #b: number;

  /** @param seed 32 bits, so that nobody outside can know the outcome */
  constructor(seed: number) {
    this.#a = 0xdeadbeef ^ seed;
    this.#b = 0x41c6ce57 ^ seed;
  }

  mix(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x9e3779b1);
    this.#b = Math.imul(this.#b ^ value, 0x5f356495);
  }

  /** With their length: what moves from one to the next is another. -1: none. */
  add(bytes: Uint8Array, start: number, stop: number): void {
    let a = this.#a;
    let b = this.#b;
    for (let at = start; at < stop; at++) {
      const byte = bytes[at] ?? 0;
      a = Math.imul(a ^ byte, 0x9e3779b1);
      b = Math.imul(b ^ byte, 0x5f356495);
    }
    this.#a = a;
    this.#b = b;
    this.mix(start < 0 ? -1 : stop - start);
  }

  /** A whole number of at most 53 bits. */
  value(): number {
    let a = this.#a;
    let b = this.#b;
    a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^
      Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
    b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^
      Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
    return (b >>> 11) * 2 ** 32 + (a >>> 0);
  }
}
