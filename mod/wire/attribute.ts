/**
 * Netlink attributes: type-length-value records, 4-byte aligned, nestable.
 *
 *      0               2               4              length
 *     ┌───────────────┬───────────────┬───────────────┬─────────┐
 *     │ length        │ type          │ payload …     │ padding │
 *     └───────────────┴───────────────┴───────────────┴─────────┘
 *
 * `length` counts header and payload, not the padding. The two highest bits of
 * `type` are flags. Integers are in host order, which is little-endian on every
 * machine that the shim knows; addresses and ports are in network order.
 *
 * The reader throws nothing but `SyntaxError`, skips what it is not asked for
 * and takes the last of equals, as the kernel does.
 *
 * @module
 */

/** include/uapi/linux/netlink.h */
export const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const NLA_HDRLEN = 4;

/** The longest attribute, its header included: the length field has 16 bits. */
export const NLA_MAX_BYTES = 0xffff;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Bytes as they grow. Every method returns the writer, so that calls chain. */
export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer>;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written. */
  get length(): number {
    return this.#length;
  }

  /** What was written; a view that the next write may make stale. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Take back everything after the first `length` bytes. */
  truncate(length: number): void {
    this.#bytes.fill(0, length, this.#length);
    this.#length = length;
  }

  /** Fixed headers: as they are, without type and length. */
  raw8(value: number): this {
    // First the place, then the view: growing replaces it.
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
    return this;
  }

  raw16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  raw32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  /** Overwrite four bytes that were written before. */
  patch32(at: number, value: number): this {
    this.#view.setUint32(at, value, true);
    return this;
  }

  u8(type: number, value: number): this {
    return this.#open(type, 1).raw8(value).#align();
  }

  u16(type: number, value: number): this {
    return this.#open(type, 2).raw16(value).#align();
  }

  u32(type: number, value: number): this {
    return this.#open(type, 4).raw32(value);
  }

  bytes(type: number, value: Uint8Array): this {
    this.#open(type, value.length);
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
    return this.#align();
  }

  /** With its terminating zero. */
  string(type: number, value: string): this {
    return this.bytes(type, encoder.encode(`${value}\0`));
  }

  /**
   * An attribute that holds attributes.
   *
   * @throws {RangeError} when it grows past what a length field can say
   */
  nest(type: number, fill: (inner: this) => void): this {
    const start = this.#length;
    this.#open(type | NLA_F_NESTED, 0);
    fill(this);
    const length = this.#length - start;
    if (length > NLA_MAX_BYTES) {
      throw new RangeError(
        `Cannot encode attribute ${type}: ${length} bytes, the limit is ${NLA_MAX_BYTES}`,
      );
    }
    this.#view.setUint16(start, length, true);
    return this;
  }

  /** A nest of nests, whose types nobody reads: all 0. */
  list<T>(
    type: number,
    items: readonly T[],
    fill: (inner: this, item: T) => void,
  ): this {
    return this.nest(type, () => {
      for (const item of items) this.nest(0, (inner) => fill(inner, item));
    });
  }

  #open(type: number, payloadBytes: number): this {
    return this.raw16(NLA_HDRLEN + payloadBytes).raw16(type);
  }

  #align(): this {
    this.#grow(-this.#length & 3);
    return this;
  }

  /** Room for so many bytes, all zero; returns where it begins. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(
        Math.max(this.#length, 2 * this.#bytes.length),
      );
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** Where a payload is, in the buffer that all share. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** The attributes of one message or nest, by type. `undefined`: not there. */
export class Attributes {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #spans: readonly (readonly [type: number, span: Span])[];

  /** @throws {SyntaxError} when a length does not fit */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#spans = readSpans(this.#view);
  }

  /** Types in the order of the wire, for tests and debugging. */
  get types(): readonly number[] {
    return this.#spans.map(([type]) => type);
  }

  u8(type: number): number | undefined {
    const span = this.#find(type, 1);
    return span && this.#view.getUint8(span.start);
  }

  u16(type: number): number | undefined {
    const span = this.#find(type, 2);
    return span && this.#view.getUint16(span.start, true);
  }

  u32(type: number): number | undefined {
    const span = this.#find(type, 4);
    return span && this.#view.getUint32(span.start, true);
  }

  u64(type: number): bigint | undefined {
    const span = this.#find(type, 8);
    return span && this.#view.getBigUint64(span.start, true);
  }

  /** The payload as it is; a view into the message. */
  bytes(type: number): Uint8Array | undefined {
    const span = this.#find(type);
    return span && this.#bytes.subarray(span.start, span.end);
  }

  /** Up to the first zero. */
  string(type: number): string | undefined {
    const bytes = this.bytes(type);
    if (bytes === undefined) return undefined;
    const zero = bytes.indexOf(0);
    return decoder.decode(zero < 0 ? bytes : bytes.subarray(0, zero));
  }

  nest(type: number): Attributes | undefined {
    const bytes = this.bytes(type);
    return bytes && new Attributes(bytes);
  }

  /** The nests within a nest; none where it is not there. */
  list(type: number): readonly Attributes[] {
    const outer = this.nest(type);
    return outer === undefined
      ? []
      : outer.#spans.map(([, { start, end }]) =>
        new Attributes(outer.#bytes.subarray(start, end))
      );
  }

  #find(type: number, size?: number): Span | undefined {
    let found: Span | undefined;
    for (const [own, span] of this.#spans) if (own === type) found = span;
    if (found === undefined || size === undefined) return found;
    if (found.end - found.start !== size) {
      throw new SyntaxError(
        `Cannot decode attribute ${type}: ${
          found.end - found.start
        } bytes, not ${size}`,
      );
    }
    return found;
  }
}

/** The one place where lengths are checked against what is there. */
function readSpans(view: DataView): [number, Span][] {
  const spans: [number, Span][] = [];
  let at = 0;
  // Fewer bytes than a header are padding, as nla_ok() has it.
  while (view.byteLength - at >= NLA_HDRLEN) {
    const length = view.getUint16(at, true);
    const left = view.byteLength - at;
    if (length < NLA_HDRLEN || length > left) {
      throw new SyntaxError(
        `Cannot decode attributes: length ${length} at byte ${at}, ${left} bytes left`,
      );
    }
    const type = view.getUint16(at + 2, true) & NLA_TYPE_MASK;
    spans.push([type, { start: at + NLA_HDRLEN, end: at + length }]);
    at += (length + 3) & ~3;
  }
  return spans;
}
