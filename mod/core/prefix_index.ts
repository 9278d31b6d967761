/**
 * Values by prefix, found exactly, by what holds them and by what they hold.
 *
 * A map for the exact ones; for wider ones a look-up at each length in use; for
 * narrower ones a list sorted by address, in which all that lies inside a prefix
 * stands together. No trie: hostile prefixes would cost 128 nodes each.
 *
 * @module
 */

import {
  addressBytes,
  type Family,
  familyBits,
  familyOf,
  makePrefix,
  type Prefix,
  prefixAddress,
  prefixBits,
} from "./address.ts";

interface Entry<T> {
  readonly prefix: Prefix;
  readonly bits: number;
  /** Family, address in hex, length: sorts as addresses do, wider prefixes first. */
  readonly key: string;
  readonly value: T;
}

export class PrefixIndex<T> {
  readonly #entries = new Map<Prefix, Entry<T>>();
  readonly #sorted: Entry<T>[] = [];
  /** How many prefixes of each length there are. */
  readonly #lengths = {
    4: new Map<number, number>(),
    6: new Map<number, number>(),
  };

  get size(): number {
    return this.#entries.size;
  }

  get(prefix: Prefix): T | undefined {
    return this.#entries.get(prefix)?.value;
  }

  /** Replaces what was there. */
  set(prefix: Prefix, value: T): void {
    this.delete(prefix);
    const bits = prefixBits(prefix);
    const bytes = addressBytes(prefixAddress(prefix));
    const entry = { prefix, bits, key: sortKey(bytes, bits), value };
    this.#entries.set(prefix, entry);
    this.#sorted.splice(this.#position(entry.key), 0, entry);
    this.#count(prefix, 1);
  }

  delete(prefix: Prefix): void {
    const entry = this.#entries.get(prefix);
    if (entry === undefined) return;
    this.#entries.delete(prefix);
    this.#sorted.splice(this.#position(entry.key), 1);
    this.#count(prefix, -1);
  }

  /** Values of the prefixes that hold this one, itself excepted. */
  *wider(prefix: Prefix): Generator<T> {
    const own = prefixBits(prefix);
    let bytes: Uint8Array | undefined;
    for (const bits of this.#lengths[familyOf(prefix)].keys()) {
      if (bits >= own) continue;
      bytes ??= addressBytes(prefixAddress(prefix));
      const found = this.#entries.get(makePrefix(bytes, bits));
      if (found !== undefined) yield found.value;
    }
  }

  /** Values of the prefixes inside this one, itself excepted, in the order of their addresses. */
  *narrower(prefix: Prefix): Generator<T> {
    const own = prefixBits(prefix);
    const first = addressBytes(prefixAddress(prefix));
    const end = `${hex(lastAddress(first, own))}/~`;
    for (let at = this.#position(sortKey(first, own));; at++) {
      const entry = this.#sorted[at];
      if (entry === undefined || entry.key > end) return;
      if (entry.bits > own) yield entry.value;
    }
  }

  /** The value of this very prefix, then of wider, then of narrower ones. */
  *overlapping(prefix: Prefix): Generator<T> {
    const exact = this.#entries.get(prefix);
    if (exact !== undefined) yield exact.value;
    yield* this.wider(prefix);
    yield* this.narrower(prefix);
  }

  /** Where an entry of this key is, or would be. */
  #position(key: string): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle]?.key ?? "") < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #count(prefix: Prefix, change: 1 | -1): void {
    const lengths = this.#lengths[familyOf(prefix)];
    const bits = prefixBits(prefix);
    const count = (lengths.get(bits) ?? 0) + change;
    if (count > 0) lengths.set(bits, count);
    else lengths.delete(bits);
  }
}

function sortKey(bytes: Uint8Array, bits: number): string {
  return `${hex(bytes)}/${String(bits).padStart(3, "0")}`;
}

function hex(bytes: Uint8Array): string {
  let text = bytes.length === 4 ? "4" : "6";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

function lastAddress(first: Uint8Array, bits: number): Uint8Array {
  const family: Family = first.length === 4 ? 4 : 6;
  const last = first.slice();
  for (let bit = bits; bit < familyBits(family); bit++) {
    last[bit >> 3] = (last[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  }
  return last;
}
