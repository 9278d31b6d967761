/**
 * Our rules as expressions, just as nft(8) makes them of the same text, and
 * back. What does not come back as it went is somebody else's: "other".
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
} from "../core/address.ts";
import type { Match, Rule } from "../core/nftables.ts";
import { AF_INET, AF_INET6 } from "./family.ts";
import {
  type Expression,
  NFT_FIB_RESULT_ADDRTYPE,
  NFT_FIB_RESULT_OIF,
  NFT_META_NFPROTO,
  NFT_META_OIFNAME,
  NFTA_FIB_F_IIF,
  NFTA_FIB_F_PRESENT,
  NFTA_FIB_F_SADDR,
} from "./nft_expression.ts";

/** include/uapi/linux/netfilter.h */
const NF_DROP = 0;
const NF_ACCEPT = 1;

/** include/uapi/linux/netfilter/nf_nat.h */
const NF_NAT_RANGE_PROTO_RANDOM_FULLY = 1 << 4;

/** include/uapi/linux/rtnetlink.h, as a register holds it: host order. */
const RTN_LOCAL = "02000000";
const NOTHING = "00000000";

/** include/uapi/linux/if.h */
const IFNAMSIZ = 16;

/** Bytes from the start of the IP header. */
const OFFSETS: Readonly<
  Record<Family, Readonly<Record<"saddr" | "daddr", number>>>
> = {
  4: { saddr: 12, daddr: 16 },
  6: { saddr: 8, daddr: 24 },
};

/** NFPROTO_IPV4 and NFPROTO_IPV6 (include/uapi/linux/netfilter.h) are AF_INET and AF_INET6. */
const PROTOCOL: Readonly<Record<Family, string>> = {
  4: byteHex(AF_INET),
  6: byteHex(AF_INET6),
};

const NO_WAY_BACK: Expression = {
  kind: "fib",
  result: NFT_FIB_RESULT_OIF,
  flags: NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT,
};

const SOURCE_TYPE: Expression = {
  kind: "fib",
  result: NFT_FIB_RESULT_ADDRTYPE,
  flags: NFTA_FIB_F_SADDR,
};

/** @throws {TypeError} for a rule that is none of ours */
export function expressionsOf(rule: Rule): readonly Expression[] {
  const found: Expression[] = [];
  let family: Family | undefined;
  for (const match of rule.matches) {
    if (match.kind === "address" && familyOf(match.prefix) !== family) {
      family = familyOf(match.prefix);
      found.push({ kind: "meta", key: NFT_META_NFPROTO });
      found.push(compare(PROTOCOL[family]));
    }
    found.push(...matchExpressions(match));
  }
  return [...found, verdictExpression(rule.verdict)];
}

function matchExpressions(match: Match): readonly Expression[] {
  switch (match.kind) {
    case "address": {
      const { prefix, side, inside } = match;
      return addressExpressions(prefix, side, inside);
    }
    case "output-link":
      return [
        { kind: "meta", key: NFT_META_OIFNAME },
        compare(linkHex(match.link), match.is),
      ];
    case "no-way-back":
      return [NO_WAY_BACK, compare(NOTHING)];
    case "local-source":
      return [SOURCE_TYPE, compare(RTN_LOCAL)];
  }
}

/** Whole bytes are compared as they are, others under a mask. */
function addressExpressions(
  prefix: Prefix,
  side: "saddr" | "daddr",
  inside: boolean,
): readonly Expression[] {
  const family = familyOf(prefix);
  const bits = prefixBits(prefix);
  const bytes = addressBytes(prefixAddress(prefix));
  const whole = bits % 8 === 0 && bits > 0;
  const length = whole ? bits / 8 : familyBits(family) / 8;
  const offset = OFFSETS[family][side];
  return [
    { kind: "payload", offset, length },
    ...whole ? [] : [{ kind: "mask", mask: maskHex(bits, length) } as const],
    compare(bytes.subarray(0, length).toHex(), inside),
  ];
}

function verdictExpression(verdict: Rule["verdict"]): Expression {
  switch (verdict) {
    case "drop":
      return { kind: "verdict", code: NF_DROP };
    case "masquerade":
      return { kind: "masquerade", flags: NF_NAT_RANGE_PROTO_RANDOM_FULLY };
    case "other":
      throw new TypeError("Cannot encode a rule that is none of ours");
  }
}

/** The rule that these expressions are; of verdict "other" where they are none of ours. */
export function ruleOf(
  expressions: readonly Expression[],
  comment: string,
): Rule {
  const rule = { matches: matchesOf(expressions), comment };
  const last = expressions.at(-1);
  const verdict = last?.kind === "masquerade"
    ? "masquerade"
    : last?.kind === "verdict"
    ? "drop"
    : "other";
  const other: Rule = { matches: [], verdict: "other", comment };
  if (rule.matches === undefined || verdict === "other") return other;
  const read: Rule = { matches: rule.matches, verdict, comment };
  const same = JSON.stringify(expressionsOf(read)) ===
    JSON.stringify(expressions);
  return same ? read : other;
}

/** What a rule of this family's table accepts; `undefined`: it does not, or is none that we can read. */
export function acceptedBy(
  expressions: readonly Expression[],
  family: Family,
): readonly Match[] | undefined {
  const rest = expressions.filter((one) =>
    one.kind !== "other" || one.name !== "counter"
  );
  const last = rest.at(-1);
  if (last?.kind !== "verdict" || last.code !== NF_ACCEPT) return undefined;
  // In an inet table it would begin like this.
  const load: Expression = { kind: "meta", key: NFT_META_NFPROTO };
  return matchesOf([load, compare(PROTOCOL[family]), ...rest]);
}

/** `undefined`: there is something among them that is none of ours. */
function matchesOf(
  expressions: readonly Expression[],
): readonly Match[] | undefined {
  const matches: Match[] = [];
  let family: Family | undefined;
  for (let at = 0; at < expressions.length - 1;) {
    const [load, ...more] = expressions.slice(at, at + 3);
    const mask = more[0]?.kind === "mask" ? more.shift() : undefined;
    const [test] = more;
    if (load === undefined || test?.kind !== "compare") return undefined;
    at += mask === undefined ? 2 : 3;
    if (load.kind === "meta" && load.key === NFT_META_NFPROTO) {
      family = test.data === PROTOCOL[4] ? 4 : 6;
      continue;
    }
    const match = load.kind === "payload"
      ? addressMatch(load, { mask, test, family })
      : otherMatch(load, test);
    if (match === undefined) return undefined;
    matches.push(match);
  }
  return matches;
}

type Compare = Extract<Expression, { readonly kind: "compare" }>;

function addressMatch(
  load: Extract<Expression, { readonly kind: "payload" }>,
  { mask, test, family }: {
    readonly mask: Expression | undefined;
    readonly test: Compare;
    readonly family: Family | undefined;
  },
): Match | undefined {
  if (family === undefined) return undefined;
  const side = load.offset === OFFSETS[family].saddr ? "saddr" : "daddr";
  const bytes = new Uint8Array(familyBits(family) / 8);
  const given = Uint8Array.fromHex(test.data);
  if (given.length > bytes.length) return undefined;
  bytes.set(given);
  const bits = mask?.kind === "mask" ? onesOf(mask.mask) : given.length * 8;
  if (bits > bytes.length * 8) return undefined;
  const prefix = makePrefix(bytes, bits);
  return { kind: "address", side, prefix, inside: test.equal };
}

function otherMatch(load: Expression, test: Compare): Match | undefined {
  if (load.kind === "meta" && load.key === NFT_META_OIFNAME) {
    const link = linkOf(test.data);
    return { kind: "output-link", link, is: test.equal };
  }
  if (load.kind !== "fib") return undefined;
  return load.result === NFT_FIB_RESULT_OIF
    ? { kind: "no-way-back" }
    : { kind: "local-source" };
}

function compare(data: string, equal = true): Expression {
  return { kind: "compare", equal, data };
}

function linkHex(link: string): string {
  const bytes = new Uint8Array(IFNAMSIZ);
  bytes.set(new TextEncoder().encode(link).subarray(0, IFNAMSIZ));
  return bytes.toHex();
}

function linkOf(hex: string): string {
  const bytes = Uint8Array.fromHex(hex);
  const zero = bytes.indexOf(0);
  return new TextDecoder().decode(
    zero < 0 ? bytes : bytes.subarray(0, zero),
  );
}

function maskHex(bits: number, length: number): string {
  return Uint8Array.from(
    { length },
    (_, at) => 0xff << (8 - Math.min(8, Math.max(0, bits - at * 8))),
  ).toHex();
}

function onesOf(hex: string): number {
  let ones = 0;
  for (const byte of Uint8Array.fromHex(hex)) {
    for (let left = byte; left > 0; left >>= 1) ones += left & 1;
  }
  return ones;
}

function byteHex(byte: number): string {
  return Uint8Array.of(byte).toHex();
}
