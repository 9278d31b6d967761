/**
 * Policy rules, as rtnetlink has them: struct fib_rule_hdr and attributes.
 *
 *      0       1       2       3       4       5       6       7       8       12
 *     ┌───────┬───────┬───────┬───────┬───────┬───────┬───────┬───────┬───────┐
 *     │ family│ to    │ from  │  tos  │ table │   0   │   0   │ action│ flags │
 *     └───────┴───────┴───────┴───────┴───────┴───────┴───────┴───────┴───────┘
 *
 * `to` and `from` are lengths of prefixes. They are only read here.
 *
 * @module
 */

import {
  addressFromBytes,
  type Family,
  familyBits,
  makePrefix,
} from "../core/address.ts";
import { Attributes } from "./attribute.ts";
import { decodeFamily } from "./family.ts";
import { need, NLM_F_DUMP, type Request, viewOf } from "./netlink.ts";
import { tableName } from "./route.ts";

/** include/uapi/linux/rtnetlink.h */
const RTM_GETRULE = 34;

/** include/uapi/linux/fib_rules.h */
const FRA_DST = 1;
const FRA_SRC = 2;
const FRA_IIFNAME = 3;
const FRA_GOTO = 4;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_SUPPRESS_PREFIXLEN = 14;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const FRA_OIFNAME = 17;
const FRA_L3MDEV = 19;
const FRA_UID_RANGE = 20;
const FRA_IP_PROTO = 22;
const FRA_SPORT_RANGE = 23;
const FRA_DPORT_RANGE = 24;
const FR_ACT_TO_TBL = 1;
const FR_ACT_GOTO = 2;
const FIB_RULE_INVERT = 2;

/** include/uapi/linux/fib_rules.h, enum fr_act: what leads to no table, as ip(8) calls it. */
const ACTIONS: Readonly<Record<number, string>> = {
  3: "nop",
  6: "blackhole",
  7: "unreachable",
  8: "prohibit",
};

const RULE_BYTES = 12;

/** One that sends to a table. */
export interface PolicyRule {
  readonly family: Family;
  readonly priority: number;
  /** "main", or a number; "[l3mdev-table]": of the VRF that the packet belongs to. */
  readonly table: string;
  /** As ip(8) prints it, as far as we know its selectors. */
  readonly text: string;
}

/** Every rule of every family. */
export function dumpPolicyRules(): Request {
  return {
    type: RTM_GETRULE,
    flags: NLM_F_DUMP,
    body: (out) => out.raw32(0).raw32(0).raw32(0),
  };
}

/**
 * @returns `undefined` for another family than ours, and for what leads to no table
 * @throws {SyntaxError} when it is no RTM_NEWRULE message
 */
export function decodePolicyRule(payload: Uint8Array): PolicyRule | undefined {
  const rule = decodeAnyRule(payload);
  return viewOf(payload).getUint8(7) === FR_ACT_TO_TBL ? rule : undefined;
}

/**
 * Of any action; `table` means nothing in one that leads to none.
 *
 * @returns `undefined` for another family than ours
 * @throws {SyntaxError} when it is no RTM_NEWRULE message
 */
export function decodeAnyRule(payload: Uint8Array): PolicyRule | undefined {
  need(payload, RULE_BYTES, "rule");
  const view = viewOf(payload);
  const family = decodeFamily(view.getUint8(0));
  if (family === undefined) return undefined;
  const attributes = new Attributes(payload.subarray(RULE_BYTES));
  const priority = attributes.u32(FRA_PRIORITY) ?? 0;
  const table = attributes.u8(FRA_L3MDEV) === 1
    ? "[l3mdev-table]"
    : tableName(attributes.u32(FRA_TABLE) ?? view.getUint8(4));
  const range = (type: number, bits: number): string | undefined =>
    rangeText(attributes.bytes(type), { bits, family });
  const to = range(FRA_DST, view.getUint8(1));
  const inverted = (view.getUint32(8, true) & FIB_RULE_INVERT) !== 0;
  const suppressed = attributes.u32(FRA_SUPPRESS_PREFIXLEN);
  const text = [
    `${priority}:\t${inverted ? "not " : ""}from ${
      range(FRA_SRC, view.getUint8(2)) ?? "all"
    }`,
    to && `to ${to}`,
    markText(attributes),
    named("iif", attributes.string(FRA_IIFNAME)),
    named("oif", attributes.string(FRA_OIFNAME)),
    ...selectorsOf(attributes),
    actionText(view.getUint8(7), { attributes, table }),
    // All ones: none.
    suppressed === undefined || suppressed === 0xffff_ffff
      ? undefined
      : `suppress_prefixlength ${suppressed}`,
  ].filter((part) => part !== undefined).join(" ");
  return { family, priority, table, text };
}

function actionText(
  action: number,
  { attributes, table }: {
    readonly attributes: Attributes;
    readonly table: string;
  },
): string {
  if (action === FR_ACT_TO_TBL) return `lookup ${table}`;
  if (action === FR_ACT_GOTO) return `goto ${attributes.u32(FRA_GOTO) ?? 0}`;
  return ACTIONS[action] ?? `action ${action}`;
}

/** Of whom, and of which ports. */
function selectorsOf(attributes: Attributes): readonly string[] {
  const protocol = attributes.u8(FRA_IP_PROTO) ?? 0;
  return [
    // Host order, two of 32 bits (struct fib_rule_uid_range) or 16 (…_port_range).
    numbersText("uidrange", attributes.bytes(FRA_UID_RANGE), 4),
    protocol === 0 ? undefined : `ipproto ${protocol}`,
    numbersText("sport", attributes.bytes(FRA_SPORT_RANGE), 2),
    numbersText("dport", attributes.bytes(FRA_DPORT_RANGE), 2),
  ].filter((part) => part !== undefined);
}

function numbersText(
  what: string,
  bytes: Uint8Array | undefined,
  size: 2 | 4,
): string | undefined {
  if (bytes === undefined) return undefined;
  need(bytes, 2 * size, "rule's range");
  const view = viewOf(bytes);
  const at = (place: number): number =>
    size === 2 ? view.getUint16(place, true) : view.getUint32(place, true);
  const [first, last] = [at(0), at(size)];
  return `${what} ${first === last ? first : `${first}-${last}`}`;
}

function named(what: string, name: string | undefined): string | undefined {
  return name === undefined ? undefined : `${what} ${name}`;
}

function rangeText(
  bytes: Uint8Array | undefined,
  { bits, family }: { readonly bits: number; readonly family: Family },
): string | undefined {
  if (bytes === undefined) return undefined;
  if (bytes.length * 8 !== familyBits(family) || bits > familyBits(family)) {
    throw new SyntaxError(
      `Cannot decode rule: a prefix of ${bytes.length} bytes and ${bits} bits`,
    );
  }
  return bits === familyBits(family)
    ? addressFromBytes(bytes)
    : makePrefix(bytes, bits);
}

function markText(attributes: Attributes): string | undefined {
  const mark = attributes.u32(FRA_FWMARK) ?? 0;
  const mask = attributes.u32(FRA_FWMASK) ?? 0;
  if (mark === 0 && mask === 0) return undefined;
  const plain = mask === 0xffff_ffff;
  return `fwmark ${hex(mark)}${plain ? "" : `/${hex(mask)}`}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
