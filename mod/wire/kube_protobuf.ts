/**
 * How Kubernetes wraps its objects in protobuf, and how it frames a watch.
 *
 *     object = "k8s\0" Unknown { 1: TypeMeta { 1: apiVersion, 2: kind },
 *                                2: raw, 3: contentEncoding, 4: contentType }
 *     watch  = { length, 4 bytes, big-endian · WatchEvent { 1: type,
 *                2: RawExtension { 1: object } } }…
 *
 * Field numbers are API: generated.proto of k8s.io/apimachinery, pkg/runtime and
 * pkg/apis/meta/v1.
 *
 * @module
 */

import { TEXT_LIMIT } from "./json.ts";
import { Fields, sameBytes, type Span, textAt } from "./protobuf.ts";
import {
  CAUSES_LIMIT,
  MESSAGE_LIMIT,
  type Status,
  type StatusCause,
} from "./status_json.ts";

/** The media type, as it stands in Accept and Content-Type. */
export const PROTOBUF = "application/vnd.kubernetes.protobuf";

/** "k8s\0" */
const MAGIC = Uint8Array.of(0x6b, 0x38, 0x73, 0x00);

const UNKNOWN = { typeMeta: 1, raw: 2, contentEncoding: 3 } as const;
const TYPE_META = { kind: 2 } as const;
const STATUS = { message: 3, reason: 4, details: 5, code: 6 } as const;
const DETAILS = { causes: 4, retryAfterSeconds: 5 } as const;
const CAUSE = { reason: 1, message: 2 } as const;

export interface WrappedObject extends Span {
  /** "Node", "NodeList", "Status". */
  readonly kind: string;
}

/**
 * Where the object itself begins and ends.
 *
 * @throws {SyntaxError} for what is no object in protobuf
 */
export function unwrap(bytes: Uint8Array, span: Span): WrappedObject {
  const { start, stop } = span;
  const begin = { start, stop: Math.min(stop, start + MAGIC.length) };
  if (!sameBytes(bytes, begin, MAGIC)) {
    throw new SyntaxError("Cannot read an object: no k8s\\0");
  }
  const fields = new Fields(bytes, start + MAGIC.length, stop);
  let kind = "";
  let raw: Span = { start: stop, stop };
  while (fields.next()) {
    if (fields.is(UNKNOWN.typeMeta)) {
      const meta = fields.enter();
      while (meta.next()) {
        if (meta.is(TYPE_META.kind)) kind = textAt(bytes, meta, TEXT_LIMIT);
      }
    } else if (fields.is(UNKNOWN.raw)) {
      raw = { start: fields.start, stop: fields.stop };
    } else if (
      fields.is(UNKNOWN.contentEncoding) && fields.stop > fields.start
    ) {
      throw new SyntaxError("Cannot read an object: it is encoded once more");
    }
  }
  return { kind, start: raw.start, stop: raw.stop };
}

/** @returns `undefined` for bytes that are no Status */
export function statusFromProtobuf(
  bytes: Uint8Array,
  span: Span = { start: 0, stop: bytes.length },
): Status | undefined {
  try {
    const object = unwrap(bytes, span);
    return object.kind === "Status" ? readStatus(bytes, object) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function readStatus(bytes: Uint8Array, span: Span): Status {
  const fields = new Fields(bytes, span.start, span.stop);
  let code = 0;
  let reason = "";
  let message = "";
  let details: Details = NO_DETAILS;
  while (fields.next()) {
    if (fields.is(STATUS.message)) {
      message = textAt(bytes, fields, MESSAGE_LIMIT);
    } else if (fields.is(STATUS.reason)) {
      reason = textAt(bytes, fields, TEXT_LIMIT);
    } else if (fields.is(STATUS.details)) details = readDetails(fields.enter());
    else if (fields.field === STATUS.code) code = natural(fields) ?? 0;
  }
  return { code, reason, message, ...details };
}

type Details = Pick<Status, "causes" | "retryAfterSeconds">;

const NO_DETAILS: Details = { retryAfterSeconds: undefined, causes: [] };

function readDetails(fields: Fields): Details {
  const causes: StatusCause[] = [];
  let retryAfterSeconds: number | undefined;
  while (fields.next()) {
    if (fields.is(DETAILS.causes) && causes.length < CAUSES_LIMIT) {
      causes.push(readCause(fields.enter()));
    } else if (fields.field === DETAILS.retryAfterSeconds) {
      // Go leaves nothing out: 0 is what JSON does not have.
      retryAfterSeconds = natural(fields) || undefined;
    }
  }
  return { causes, retryAfterSeconds };
}

function readCause(fields: Fields): StatusCause {
  const { bytes } = fields;
  let reason = "";
  let message = "";
  while (fields.next()) {
    if (fields.is(CAUSE.reason)) reason = textAt(bytes, fields, TEXT_LIMIT);
    else if (fields.is(CAUSE.message)) {
      message = textAt(bytes, fields, TEXT_LIMIT);
    }
  }
  return { reason, message };
}

function natural(fields: Fields): number | undefined {
  const value = fields.integer();
  return value !== undefined && Number.isSafeInteger(value) && value >= 0
    ? value
    : undefined;
}
