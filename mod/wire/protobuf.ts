/**
 * Protocol buffers as far as they are read here: the fields of one message, in
 * place, without a schema. What is not asked for is stepped over.
 *
 *     message = { key value }…    key = varint: number << 3 | wire type
 *     wire type 0: varint   1: 8 bytes   2: varint length, bytes   5: 4 bytes
 *
 * Everything that goes past its end is refused in one place; only `SyntaxError` is
 * thrown. Source: https://protobuf.dev/programming-guides/encoding/
 *
 * @module
 */

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** A position that is none. */
const NONE = -1;

const ALL_FIELDS = -1;

/** For `Fields.next()`: these, and no others below 32. */
export function fieldSet(fields: Readonly<Record<string, number>>): number {
  return Object.values(fields).reduce((set, field) => set | 1 << field, 0);
}

/** Steps through the fields of a message; its properties tell of the present one. */
export class Fields {
  readonly bytes: Uint8Array;
  /** Its number; 0 before the first. */
  field = 0;
  /** First byte of a length-delimited value; -1 for one of another type. */
  start = NONE;
  /** The byte after it. */
  stop = NONE;
  #at: number;
  readonly #end: number;
  /** Where the varint that was stepped over begins; -1: none was. */
  #number = NONE;

  constructor(bytes: Uint8Array, start = 0, stop = bytes.length) {
    this.bytes = bytes;
    this.#at = start;
    this.#end = stop;
  }

  /**
   * The next field, or the next of some: then others may come too, which `is()`
   * tells.
   *
   * @param some as `fieldSet()` makes it; the others are passed over quickly
   * @returns `false` at the end
   * @throws {SyntaxError} where the message is cut off, or none
   */
  next(some = ALL_FIELDS): boolean {
    const { bytes } = this;
    const end = this.#end;
    let at = this.#at;
    for (;;) {
      // Nearly all fields: a key of one byte, a length of one or two.
      while (at + 2 < end) {
        const key = bytes[at] ?? 0;
        if ((key & 0x87) !== LENGTH_DELIMITED || key <= 7) break;
        let length = bytes[at + 1] ?? 0;
        let start = at + 2;
        if (length >= 0x80) {
          const more = bytes[start++] ?? 0;
          if (more >= 0x80) break;
          length = (length & 0x7f) + (more << 7);
        }
        if (length > end - start) break;
        at = start + length;
        if ((some >>> (key >>> 3) & 1) === 0) continue;
        this.field = key >>> 3;
        this.start = start;
        this.stop = this.#at = at;
        this.#number = NONE;
        return true;
      }
      this.#at = at;
      if (at >= end) return false;
      this.#nextOfAny();
      at = this.#at;
      if ((some >>> this.field & 1) !== 0) return true;
    }
  }

  #nextOfAny(): void {
    const key = this.#length();
    this.field = key >>> 3;
    if (this.field === 0) throw malformed(this.#at);
    this.start = this.stop = this.#number = NONE;
    switch (key & 7) {
      case LENGTH_DELIMITED: {
        const length = this.#length();
        this.start = this.#at;
        this.stop = this.#at + length;
        this.#skip(length);
        break;
      }
      case VARINT:
        this.#number = this.#at;
        this.#skipVarint();
        break;
      case FIXED64:
        this.#skip(8);
        break;
      case FIXED32:
        this.#skip(4);
        break;
      default:
        throw malformed(this.#at);
    }
  }

  /** A length-delimited field of this number? */
  is(field: number): boolean {
    return this.field === field && this.start !== NONE;
  }

  /** The fields of the present value, which is a message. */
  enter(): Fields {
    return new Fields(this.bytes, this.start, this.stop);
  }

  /**
   * The present int32 or int64, as near as a number comes to it.
   * `undefined`: it is no varint.
   */
  integer(): number | undefined {
    if (this.#number === NONE) return undefined;
    let low = 0;
    let high = 0;
    let at = this.#number;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.bytes[at++] ?? 0;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= bits << 31;
      if (byte < 0x80) break;
    }
    return (high | 0) * 2 ** 32 + (low >>> 0);
  }

  /** A key or a length: at most 32 bits. */
  #length(): number {
    const first = this.bytes[this.#at] ?? 0x80;
    if (first < 0x80 && this.#at < this.#end) {
      this.#at++;
      return first;
    }
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.#at >= this.#end) break;
      const byte = this.bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80 && value < 2 ** 32) return value;
    }
    throw malformed(this.#at);
  }

  #skipVarint(): void {
    for (let count = 0; count < 10 && this.#at < this.#end; count++) {
      if ((this.bytes[this.#at++] ?? 0) < 0x80) return;
    }
    throw malformed(this.#at);
  }

  #skip(length: number): void {
    if (length > this.#end - this.#at) throw malformed(this.#at);
    this.#at += length;
  }
}

function malformed(at: number): SyntaxError {
  return new SyntaxError(`Cannot read a message of protobuf: byte ${at}`);
}

/** Keeps a byte order mark: JSON does. */
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

export interface Span {
  readonly start: number;
  readonly stop: number;
}

/**
 * The string of these bytes; what is longer than the limit is cut there.
 *
 * @param limit UTF-16 units
 */
export function textAt(bytes: Uint8Array, span: Span, limit: number): string {
  // A unit is at most three bytes: what is torn lies beyond the limit.
  const stop = Math.min(span.stop, span.start + 3 * limit + 8);
  const part = bytes.subarray(span.start, stop);
  for (let at = 0; at < part.length; at++) {
    if ((part[at] ?? 0) >= 0x80) return cut(DECODER.decode(part), limit);
  }
  return cut(Reflect.apply(String.fromCharCode, null, part), limit);
}

function cut(text: string, limit: number): string {
  return text.length <= limit ? text : text.slice(0, limit);
}

/** Are these the bytes? */
export function sameBytes(
  bytes: Uint8Array,
  { start, stop }: Span,
  expected: Uint8Array,
): boolean {
  if (start === NONE || stop - start !== expected.length) return false;
  for (let at = 0; at < expected.length; at++) {
    if (bytes[start + at] !== expected[at]) return false;
  }
  return true;
}
