/**
 * A request of OTLP in protobuf as the object that its JSON would be: as far as
 * traces are looked at in tests. Nothing of it is the program's own reader, nor
 * Deno's writer: names, numbers and types are those of opentelemetry-proto
 * (collector/trace/v1/trace_service.proto, trace/v1/trace.proto,
 * common/v1/common.proto, resource/v1/resource.proto).
 *
 * @module
 */

/** How a field's value is read, or the message that it is. */
type Kind = "bool" | "double" | "enum" | "fixed64" | "hex" | "int64" | "string";

/** Of a field's number: its name in JSON and its kind; a list of them, where that stands in one. */
type Message = () => Readonly<
  Record<number, readonly [name: string, kind: Field | readonly [Field]]>
>;

type Field = Kind | Message;

const ANY_VALUE: Message = () => ({
  1: ["stringValue", "string"],
  2: ["boolValue", "bool"],
  3: ["intValue", "int64"],
  4: ["doubleValue", "double"],
});

const KEY_VALUE: Message = () => ({
  1: ["key", "string"],
  2: ["value", ANY_VALUE],
});

const SPAN: Message = () => ({
  1: ["traceId", "hex"],
  2: ["spanId", "hex"],
  4: ["parentSpanId", "hex"],
  5: ["name", "string"],
  6: ["kind", "enum"],
  7: ["startTimeUnixNano", "fixed64"],
  8: ["endTimeUnixNano", "fixed64"],
  9: ["attributes", [KEY_VALUE]],
  15: ["status", STATUS],
});

const STATUS: Message = () => ({
  2: ["message", "string"],
  3: ["code", "enum"],
});

const RESOURCE: Message = () => ({ 1: ["attributes", [KEY_VALUE]] });

const SCOPE: Message = () => ({ 1: ["name", "string"] });

const SCOPE_SPANS: Message = () => ({
  1: ["scope", SCOPE],
  2: ["spans", [SPAN]],
});

const RESOURCE_SPANS: Message = () => ({
  1: ["resource", RESOURCE],
  2: ["scopeSpans", [SCOPE_SPANS]],
});

const REQUEST: Message = () => ({ 1: ["resourceSpans", [RESOURCE_SPANS]] });

/**
 * An ExportTraceServiceRequest.
 *
 * @throws {SyntaxError} for what is none
 */
export function traceRequest(bytes: Uint8Array): unknown {
  return objectOf(REQUEST, bytes);
}

function objectOf(
  message: Message,
  bytes: Uint8Array,
): Readonly<Record<string, unknown>> {
  const object: Record<string, unknown> = {};
  for (const [number, raw] of fields(bytes)) {
    const [name, kind] = message()[number] ?? [];
    if (name === undefined || kind === undefined) continue;
    if (typeof kind !== "object") object[name] = valueOf(kind, raw);
    else {
      const before = object[name];
      object[name] = [
        ...(Array.isArray(before) ? before : []),
        valueOf(kind[0], raw),
      ];
    }
  }
  return object;
}

/** A varint, or the bytes of any other type. */
type Raw = bigint | Uint8Array;

function valueOf(kind: Field, raw: Raw): unknown {
  if (typeof raw === "bigint") {
    switch (kind) {
      case "bool":
        return raw !== 0n;
      case "enum":
        return Number(raw);
      case "int64": // as a text in JSON, which has no such numbers
        return String(BigInt.asIntN(64, raw));
    }
    throw new SyntaxError(`Cannot read a varint as ${kind}`);
  }
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  switch (kind) {
    case "string":
      return new TextDecoder("utf-8", { fatal: true }).decode(raw);
    case "hex":
      return raw.toHex();
    case "fixed64":
      return String(view.getBigUint64(0, true));
    case "double":
      return view.getFloat64(0, true);
  }
  if (typeof kind === "function") return objectOf(kind, raw);
  throw new SyntaxError(`Cannot read bytes as ${kind}`);
}

/** https://protobuf.dev/programming-guides/encoding/ */
function* fields(
  bytes: Uint8Array,
): Generator<readonly [number: number, raw: Raw]> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new SyntaxError(`Cannot read a varint before byte ${at}`);
  };
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) {
      throw new SyntaxError(`Cannot read ${length} bytes at byte ${at}`);
    }
    return bytes.subarray(at, at += length);
  };
  const BYTES: Readonly<Record<string, () => Raw>> = {
    0: varint,
    1: () => take(8),
    2: () => take(Number(varint())),
    5: () => take(4),
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const read = BYTES[key & 7];
    if (read === undefined) {
      throw new SyntaxError(`Cannot read wire type ${key & 7} at byte ${at}`);
    }
    yield [key >>> 3, read()];
  }
}
