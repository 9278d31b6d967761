/**
 * nf_tables over nfnetlink: a header of four bytes and attributes. Numbers in
 * attributes are in network order, unlike rtnetlink's.
 *
 *      0       1       2               4
 *     ┌───────┬───────┬───────────────┬────────────┐
 *     │ family│   0   │ res_id (BE)   │ attributes │
 *     └───────┴───────┴───────────────┴────────────┘
 *
 * A change comes in a batch: BEGIN, the requests, END, all in one datagram, and
 * all of it happens or nothing. So far only what takes our table away is here.
 *
 * @module
 */

import { Attributes, type Writer } from "./attribute.ts";
import {
  encodeRequest,
  need,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  type Request,
} from "./netlink.ts";

/** include/uapi/linux/netlink.h */
export const NETLINK_NETFILTER = 12;

/** include/uapi/linux/netfilter/nfnetlink.h */
const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;

/** include/uapi/linux/netfilter/nf_tables.h, enum nf_tables_msg_types */
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_DELTABLE = 2;

/** include/uapi/linux/netfilter/nf_tables.h, enum nft_table_attributes */
const NFTA_TABLE_NAME = 1;

/** include/uapi/linux/netfilter.h: both families in one table */
export const NFPROTO_INET = 1;
const NFPROTO_UNSPEC = 0;

const NFGENMSG_BYTES = 4;

export interface Table {
  /** NFPROTO_… */
  readonly family: number;
  readonly name: string;
}

/** The tables of all families. */
export function dumpTables(): Request {
  return {
    type: messageType(NFT_MSG_GETTABLE),
    flags: NLM_F_DUMP,
    body: (out) => header(out, { family: NFPROTO_UNSPEC, resource: 0 }),
  };
}

/** With its chains, rules and sets. To be sent in a batch. ENOENT where it is not there. */
export function deleteTable({ family, name }: Table): Request {
  return {
    type: messageType(NFT_MSG_DELTABLE),
    flags: 0,
    body: (out) => {
      header(out, { family, resource: 0 });
      out.string(NFTA_TABLE_NAME, name);
    },
  };
}

/** @throws {SyntaxError} when it is no NFT_MSG_NEWTABLE message */
export function decodeTable(payload: Uint8Array): Table {
  need(payload, NFGENMSG_BYTES, "table");
  const attributes = new Attributes(payload.subarray(NFGENMSG_BYTES));
  const name = attributes.string(NFTA_TABLE_NAME);
  if (name === undefined) {
    throw new SyntaxError("Cannot decode table: it has no name");
  }
  return { family: payload[0] ?? 0, name };
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
  const bytes = new Uint8Array(
    parts.reduce((sum, part) => sum + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
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

/** struct nfgenmsg */
function header(
  out: Writer,
  fields: { readonly family: number; readonly resource: number },
): void {
  const { family, resource } = fields;
  out.raw8(family).raw8(0).raw8(resource >> 8).raw8(resource & 0xff);
}

function messageType(message: number): number {
  return NFNL_SUBSYS_NFTABLES << 8 | message;
}
