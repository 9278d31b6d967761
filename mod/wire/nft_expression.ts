/**
 * The expressions that our rules are made of, each a name and attributes. They
 * hand values on in registers; ours need only the first, NFT_REG_1. What uses
 * another, or is of another kind, is "other": it is none of ours.
 *
 * ```
 * meta load oifname => reg 1
 * cmp eq reg 1 "clusternet"
 * immediate reg 0 drop
 * ```
 *
 * Numbers are in network order; data is as in the packet.
 *
 * @module
 */

import type { Attributes, Writer } from "./attribute.ts";

/** include/uapi/linux/netfilter/nf_tables.h, enum nft_registers */
const NFT_REG_VERDICT = 0;
const NFT_REG_1 = 1;

/** enum nft_expr_attributes */
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;

/** enum nft_meta_attributes, enum nft_meta_keys */
const NFTA_META_DREG = 1;
const NFTA_META_KEY = 2;
export const NFT_META_OIFNAME = 7;
export const NFT_META_NFPROTO = 15;

/** enum nft_payload_attributes, enum nft_payload_bases */
const NFTA_PAYLOAD_DREG = 1;
const NFTA_PAYLOAD_BASE = 2;
const NFTA_PAYLOAD_OFFSET = 3;
const NFTA_PAYLOAD_LEN = 4;
const NFT_PAYLOAD_NETWORK_HEADER = 1;

/** enum nft_bitwise_attributes, enum nft_bitwise_ops */
const NFTA_BITWISE_SREG = 1;
const NFTA_BITWISE_DREG = 2;
const NFTA_BITWISE_LEN = 3;
const NFTA_BITWISE_MASK = 4;
const NFTA_BITWISE_XOR = 5;
const NFTA_BITWISE_OP = 6;
const NFT_BITWISE_BOOL = 0;

/** enum nft_cmp_attributes, enum nft_cmp_ops */
const NFTA_CMP_SREG = 1;
const NFTA_CMP_OP = 2;
const NFTA_CMP_DATA = 3;
const NFT_CMP_EQ = 0;
const NFT_CMP_NEQ = 1;

/** enum nft_fib_attributes */
const NFTA_FIB_DREG = 1;
const NFTA_FIB_RESULT = 2;
const NFTA_FIB_FLAGS = 3;

/** enum nft_fib_result */
export const NFT_FIB_RESULT_OIF = 1;
export const NFT_FIB_RESULT_ADDRTYPE = 3;

/** enum nft_fib_flags */
export const NFTA_FIB_F_SADDR = 1;
export const NFTA_FIB_F_IIF = 8;
export const NFTA_FIB_F_PRESENT = 32;

/** enum nft_immediate_attributes, nft_data_attributes, nft_verdict_attributes */
const NFTA_IMMEDIATE_DREG = 1;
const NFTA_IMMEDIATE_DATA = 2;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;

/** enum nft_masq_attributes */
const NFTA_MASQ_FLAGS = 1;
const NFTA_MASQ_REG_PROTO_MIN = 2;

export type Expression =
  | { readonly kind: "meta"; readonly key: number }
  /** Of the IP header. Bytes. */
  | {
    readonly kind: "payload";
    readonly offset: number;
    readonly length: number;
  }
  /** Hexadecimal. */
  | { readonly kind: "mask"; readonly mask: string }
  | {
    readonly kind: "compare";
    readonly equal: boolean;
    /** Hexadecimal. */
    readonly data: string;
  }
  | { readonly kind: "fib"; readonly result: number; readonly flags: number }
  /** enum nf_inet_verdicts: NF_DROP is 0. */
  | { readonly kind: "verdict"; readonly code: number }
  /** NF_NAT_RANGE_… */
  | { readonly kind: "masquerade"; readonly flags: number }
  | { readonly kind: "other"; readonly name: string };

/** The contents of an element of NFTA_RULE_EXPRESSIONS. */
export function encodeExpression(out: Writer, expression: Expression): void {
  switch (expression.kind) {
    case "meta":
      return named(out, "meta", (data) => {
        be32(data, NFTA_META_KEY, expression.key);
        be32(data, NFTA_META_DREG, NFT_REG_1);
      });
    case "payload":
      return named(out, "payload", (data) => {
        be32(data, NFTA_PAYLOAD_DREG, NFT_REG_1);
        be32(data, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
        be32(data, NFTA_PAYLOAD_OFFSET, expression.offset);
        be32(data, NFTA_PAYLOAD_LEN, expression.length);
      });
    case "mask":
      return named(out, "bitwise", (data) => {
        const mask = Uint8Array.fromHex(expression.mask);
        be32(data, NFTA_BITWISE_SREG, NFT_REG_1);
        be32(data, NFTA_BITWISE_DREG, NFT_REG_1);
        be32(data, NFTA_BITWISE_LEN, mask.length);
        data.nest(NFTA_BITWISE_MASK, (it) => it.bytes(NFTA_DATA_VALUE, mask));
        const none = new Uint8Array(mask.length);
        data.nest(NFTA_BITWISE_XOR, (it) => it.bytes(NFTA_DATA_VALUE, none));
      });
    case "compare":
      return named(out, "cmp", (data) => {
        const value = Uint8Array.fromHex(expression.data);
        be32(data, NFTA_CMP_SREG, NFT_REG_1);
        be32(data, NFTA_CMP_OP, expression.equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
        data.nest(NFTA_CMP_DATA, (it) => it.bytes(NFTA_DATA_VALUE, value));
      });
    case "fib":
      return named(out, "fib", (data) => {
        be32(data, NFTA_FIB_FLAGS, expression.flags);
        be32(data, NFTA_FIB_RESULT, expression.result);
        be32(data, NFTA_FIB_DREG, NFT_REG_1);
      });
    case "verdict":
      return named(out, "immediate", (data) => {
        be32(data, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
        data.nest(NFTA_IMMEDIATE_DATA, (it) =>
          it.nest(
            NFTA_DATA_VERDICT,
            (verdict) => be32(verdict, NFTA_VERDICT_CODE, expression.code),
          ));
      });
    case "masquerade":
      return named(
        out,
        "masq",
        (data) => be32(data, NFTA_MASQ_FLAGS, expression.flags),
      );
    case "other":
      throw new TypeError(`Cannot encode expression ${expression.name}`);
  }
}

/** @throws {SyntaxError} when an attribute has the wrong size */
export function decodeExpression(element: Attributes): Expression {
  const name = element.string(NFTA_EXPR_NAME) ?? "";
  const data = element.nest(NFTA_EXPR_DATA);
  const known = data && decodeData(name, data);
  return known ?? { kind: "other", name };
}

/** `undefined`: not of a kind that is ours. */
function decodeData(name: string, data: Attributes): Expression | undefined {
  const register = (type: number, value = NFT_REG_1): boolean =>
    readBe32(data, type) === value;
  switch (name) {
    case "meta": {
      const key = readBe32(data, NFTA_META_KEY);
      return key !== undefined && register(NFTA_META_DREG)
        ? { kind: "meta", key }
        : undefined;
    }
    case "payload": {
      const offset = readBe32(data, NFTA_PAYLOAD_OFFSET);
      const length = readBe32(data, NFTA_PAYLOAD_LEN);
      const good = register(NFTA_PAYLOAD_DREG) &&
        register(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
      return good && offset !== undefined && length !== undefined
        ? { kind: "payload", offset, length }
        : undefined;
    }
    case "bitwise": {
      const mask = valueOf(data, NFTA_BITWISE_MASK);
      const xor = valueOf(data, NFTA_BITWISE_XOR);
      const good = register(NFTA_BITWISE_SREG) && register(NFTA_BITWISE_DREG) &&
        (readBe32(data, NFTA_BITWISE_OP) ?? NFT_BITWISE_BOOL) ===
          NFT_BITWISE_BOOL;
      return good && mask !== undefined && xor !== undefined && /^0*$/.test(xor)
        ? { kind: "mask", mask }
        : undefined;
    }
    case "cmp": {
      const op = readBe32(data, NFTA_CMP_OP);
      const value = valueOf(data, NFTA_CMP_DATA);
      const good = register(NFTA_CMP_SREG) &&
        (op === NFT_CMP_EQ || op === NFT_CMP_NEQ);
      return good && value !== undefined
        ? { kind: "compare", equal: op === NFT_CMP_EQ, data: value }
        : undefined;
    }
    case "fib": {
      const result = readBe32(data, NFTA_FIB_RESULT);
      const flags = readBe32(data, NFTA_FIB_FLAGS);
      return register(NFTA_FIB_DREG) && result !== undefined &&
          flags !== undefined
        ? { kind: "fib", result, flags }
        : undefined;
    }
    case "immediate": {
      const verdict = data.nest(NFTA_IMMEDIATE_DATA)?.nest(NFTA_DATA_VERDICT);
      const code = verdict && readBe32(verdict, NFTA_VERDICT_CODE);
      return code !== undefined &&
          register(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT)
        ? { kind: "verdict", code }
        : undefined;
    }
    case "masq":
      return data.bytes(NFTA_MASQ_REG_PROTO_MIN) === undefined
        ? { kind: "masquerade", flags: readBe32(data, NFTA_MASQ_FLAGS) ?? 0 }
        : undefined;
  }
  return undefined;
}

/** Attributes of four bytes in network order. */
export function be32(out: Writer, type: number, value: number): Writer {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return out.bytes(type, bytes);
}

/** @throws {SyntaxError} when it has another size */
export function readBe32(from: Attributes, type: number): number | undefined {
  const bytes = from.bytes(type);
  if (bytes === undefined) return undefined;
  if (bytes.length !== 4) {
    throw new SyntaxError(
      `Cannot decode attribute ${type}: ${bytes.length} bytes, not 4`,
    );
  }
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
}

function named(
  out: Writer,
  name: string,
  fill: (data: Writer) => void,
): void {
  out.string(NFTA_EXPR_NAME, name).nest(NFTA_EXPR_DATA, fill);
}

/** NFTA_DATA_VALUE within, in hexadecimal. */
function valueOf(from: Attributes, type: number): string | undefined {
  return from.nest(type)?.bytes(NFTA_DATA_VALUE)?.toHex();
}
