/**
 * Netlink messages: a header of 16 bytes, a fixed part that each family has of
 * its own, attributes. A datagram holds one message or many.
 *
 *      0               4       6       8               12              16
 *     ┌───────────────┬───────┬───────┬───────────────┬───────────────┐
 *     │ length        │ type  │ flags │ sequence      │ port          │
 *     └───────────────┴───────┴───────┴───────────────┴───────────────┘
 *
 * Every request wants an acknowledgement, which is an error message of number 0;
 * with NETLINK_EXT_ACK it also says in words what the kernel did not like.
 *
 * @module
 */

import { Attributes, Writer } from "./attribute.ts";

/** include/uapi/linux/netlink.h: protocols */
export const NETLINK_ROUTE = 0;
export const NETLINK_GENERIC = 16;

/** include/uapi/linux/netlink.h: message types below NLMSG_MIN_TYPE */
export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;

/** include/uapi/linux/netlink.h: flags */
export const NLM_F_REQUEST = 0x1;
export const NLM_F_MULTI = 0x2;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
/** In acknowledgements. */
export const NLM_F_CAPPED = 0x100;
export const NLM_F_ACK_TLVS = 0x200;

/** include/uapi/linux/netlink.h, enum nlmsgerr_attrs */
const NLMSGERR_ATTR_MSG = 1;

const NLMSG_HDRLEN = 16;

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Of the socket that it goes to; 0 in events. */
  readonly port: number;
  readonly payload: Uint8Array;
}

/** What is asked, before it has a number. NLM_F_REQUEST and NLM_F_ACK are added. */
export interface Request {
  readonly type: number;
  readonly flags: number;
  readonly body: (out: Writer) => void;
}

/** What NLMSG_ERROR and NLMSG_DONE say. */
export interface Ack {
  /** Positive; 0 is success. */
  readonly errno: number;
  /** The kernel's own words, where it has any. */
  readonly text: string | undefined;
}

/** One message, with the flags that every request has. */
export function encodeRequest(
  request: Request,
  sequence: number,
): Uint8Array<ArrayBuffer> {
  const out = new Writer(512);
  out.raw32(0).raw16(request.type)
    .raw16(request.flags | NLM_F_REQUEST | NLM_F_ACK)
    .raw32(sequence).raw32(0);
  request.body(out);
  return out.patch32(0, out.length).finish();
}

/**
 * The messages of one datagram.
 *
 * @throws {SyntaxError} when a length does not fit
 */
export function decodeMessages(datagram: Uint8Array): Message[] {
  const view = new DataView(
    datagram.buffer,
    datagram.byteOffset,
    datagram.byteLength,
  );
  const messages: Message[] = [];
  for (let at = 0; at < datagram.length;) {
    const left = datagram.length - at;
    const length = left < NLMSG_HDRLEN ? 0 : view.getUint32(at, true);
    if (length < NLMSG_HDRLEN || length > left) {
      throw new SyntaxError(
        `Cannot decode netlink message: length ${length} at byte ${at}, ${left} bytes left`,
      );
    }
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      port: view.getUint32(at + 12, true),
      payload: datagram.subarray(at + NLMSG_HDRLEN, at + length),
    });
    at += (length + 3) & ~3;
  }
  return messages;
}

/**
 * Read an NLMSG_ERROR or NLMSG_DONE.
 *
 *      0               4
 *     ┌───────────────┬───────────────────────────────────┬────────────┐
 *     │ -errno        │ ERROR only: the request's header, │ attributes │
 *     │               │ all of it unless NLM_F_CAPPED     │            │
 *     └───────────────┴───────────────────────────────────┴────────────┘
 *
 * @throws {SyntaxError} when it is cut short
 */
export function decodeAck(message: Message): Ack {
  const { payload, flags, type } = message;
  const view = viewOf(payload);
  need(payload, 4, "acknowledgement");
  const errno = 0 - view.getInt32(0, true);
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, text: undefined };
  let at = 4;
  if (type === NLMSG_ERROR) {
    need(payload, 4 + NLMSG_HDRLEN, "acknowledgement");
    const request = view.getUint32(4, true);
    at += (flags & NLM_F_CAPPED) !== 0 || errno === 0
      ? NLMSG_HDRLEN
      : (request + 3) & ~3;
  }
  const text = new Attributes(payload.subarray(at)).string(NLMSGERR_ATTR_MSG);
  return { errno, text };
}

/** A view of the bytes of a fixed header. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** @throws {SyntaxError} when there are fewer bytes than a fixed header has */
export function need(payload: Uint8Array, bytes: number, what: string): void {
  if (payload.length >= bytes) return;
  throw new SyntaxError(
    `Cannot decode ${what}: ${payload.length} bytes, not ${bytes}`,
  );
}
