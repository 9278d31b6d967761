/**
 * Writes protocol buffers as gogo's generated marshallers in Kubernetes do: all
 * scalar fields, even empty ones; pointers, lists and maps only where there is
 * something. Wrong types, which no API server has, are left out.
 *
 * @module
 */

import type { Json } from "../../mod/core/json_patch.ts";
import { isObject, type JsonObject } from "./api_store.ts";

const ENCODER = new TextEncoder();

export class ProtobufWriter {
  #bytes = new Uint8Array(128);
  #length = 0;

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  /** Non-negative, or two's complement of 64 bits. */
  varint(value: number | bigint): this {
    if (typeof value === "number" && value >= 0 && value < 2 ** 31) {
      for (; value >= 0x80; value >>>= 7) this.#put(value & 0x7f | 0x80);
      return this.#put(value);
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest >= 0x80n) {
      this.#put(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    return this.#put(Number(rest));
  }

  integer(field: number, value: Json | undefined): this {
    const number = typeof value === "number" ? Math.trunc(value) : 0;
    return this.varint(field << 3).varint(number);
  }

  flag(field: number, value: Json | undefined): this {
    return this.varint(field << 3).varint(value === true ? 1 : 0);
  }

  blob(field: number, value: Uint8Array): this {
    this.varint(field << 3 | 2).varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  text(field: number, value: Json | undefined): this {
    const text = typeof value === "string" ? value : "";
    return this.blob(field, ENCODER.encode(text));
  }

  message(field: number, write: (inner: ProtobufWriter) => void): this {
    const inner = new ProtobufWriter();
    write(inner);
    return this.blob(field, inner.bytes());
  }

  /** Each string of a list. */
  texts(field: number, value: Json | undefined): this {
    for (const item of listOf(value)) {
      if (typeof item === "string") this.text(field, item);
    }
    return this;
  }

  /** Each object of a list as a message. */
  messages(
    field: number,
    value: Json | undefined,
    write: (inner: ProtobufWriter, item: JsonObject) => void,
  ): this {
    for (const item of listOf(value)) {
      if (isObject(item)) this.message(field, (inner) => write(inner, item));
    }
    return this;
  }

  /** map<string, string>, in the order of its keys. */
  map(
    field: number,
    value: Json | undefined,
    write: (entry: ProtobufWriter, item: Json) => void = (entry, item) =>
      entry.text(2, item),
  ): this {
    for (const key of Object.keys(objectOf(value)).sort()) {
      const item = objectOf(value)[key];
      if (item === undefined || item === null) continue;
      this.message(field, (entry) => write(entry.text(1, key), item));
    }
    return this;
  }

  /** metav1.Time: seconds and nanoseconds; the zero time is an empty message. */
  time(field: number, value: Json | undefined): this {
    const at = typeof value === "string" ? Date.parse(value) : NaN;
    return this.message(field, (inner) => {
      if (!Number.isNaN(at)) inner.integer(1, at / 1000).integer(2, 0);
    });
  }

  #put(byte: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = byte;
    return this;
  }

  #reserve(count: number): void {
    let size = this.#bytes.length;
    while (size < this.#length + count) size *= 2;
    if (size === this.#bytes.length) return;
    const larger = new Uint8Array(size);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

export function objectOf(value: Json | undefined): JsonObject {
  return value !== undefined && isObject(value) ? value : {};
}
