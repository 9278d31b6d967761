/**
 * nfnetlink, as nf_tables uses it: a header of four bytes, then attributes.
 *
 *      0       1       2               4
 *     ┌───────┬───────┬───────────────┬────────────┐
 *     │ family│   0   │ res_id (BE)   │ attributes │
 *     └───────┴───────┴───────────────┴────────────┘
 *
 * A change comes in a batch: BEGIN, the requests, END, all in one datagram, and
 * all of it happens or nothing.
 *
 * @module
 */

import { Attributes, type Writer } from "./attribute.ts";
import { encodeRequest, need, NLM_F_REQUEST, type Request } from "./netlink.ts";

/** include/uapi/linux/netlink.h */
export const NETLINK_NETFILTER = 12;

/** include/uapi/linux/netfilter/nfnetlink.h */
export const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;

/** include/uapi/linux/netfilter.h: both families in one table */
export const NFPROTO_INET = 1;
const NFPROTO_UNSPEC = 0;

const NFGENMSG_BYTES = 4;

/** struct nfgenmsg */
function header(
  out: Writer,
  fields: { readonly family: number; readonly resource: number },
): void {
  const { family, resource } = fields;
  out.raw8(family).raw8(0).raw8(resource >> 8).raw8(resource & 0xff);
}

/** A request about an inet table, if not of another family. */
export function inet(
  message: number,
  flags: number,
  attributes: (out: Writer) => void,
  family = NFPROTO_INET,
): Request {
  return {
    type: messageType(message),
    flags,
    body: (out) => {
      header(out, { family, resource: 0 });
      attributes(out);
    },
  };
}

/** A request that says no more than what it is. */
export function bare(message: number, flags: number): Request {
  return {
    type: messageType(message),
    flags,
    body: (out) => header(out, { family: NFPROTO_UNSPEC, resource: 0 }),
  };
}

/** @throws {SyntaxError} when the header is cut short, or an attribute is */
export function openMessage(
  payload: Uint8Array,
  what: string,
): { readonly family: number; readonly attributes: Attributes } {
  need(payload, NFGENMSG_BYTES, what);
  const attributes = new Attributes(payload.subarray(NFGENMSG_BYTES));
  return { family: payload[0] ?? 0, attributes };
}

/**
 * One datagram. Each request is acknowledged by its own number.
 *
 * @param sequence of BEGIN; the requests and END count on from there
 */
export function encodeBatch(
  requests: readonly Request[],
  sequence: number,
): Uint8Array<ArrayBuffer> {
  const parts = [
    boundary(NFNL_MSG_BATCH_BEGIN, sequence),
    ...requests.map((request, at) => encodeRequest(request, sequence + 1 + at)),
    boundary(NFNL_MSG_BATCH_END, sequence + 1 + requests.length),
  ];
  const padded = (part: Uint8Array): number => (part.length + 3) & ~3;
  const bytes = new Uint8Array(
    parts.reduce((sum, part) => sum + padded(part), 0),
  );
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += padded(part);
  }
  return bytes;
}

/** Without NLM_F_ACK: older kernels do not acknowledge it, newer ones do. */
function boundary(type: number, sequence: number): Uint8Array<ArrayBuffer> {
  const message = encodeRequest({
    type,
    flags: 0,
    body: (out) => {
      header(out, { family: NFPROTO_UNSPEC, resource: NFNL_SUBSYS_NFTABLES });
    },
  }, sequence);
  new DataView(message.buffer, message.byteOffset)
    .setUint16(6, NLM_F_REQUEST, true);
  return message;
}

function messageType(message: number): number {
  return NFNL_SUBSYS_NFTABLES << 8 | message;
}
