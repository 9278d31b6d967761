/**
 * Tables, chains and rules of nf_tables. Numbers in attributes are in network
 * order, unlike rtnetlink's.
 *
 * @module
 */

import type { Chain, Match, Rule, Table } from "../core/nftables.ts";
import type { Attributes } from "./attribute.ts";
import {
  type Message,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_DUMP,
  type Request,
} from "./netlink.ts";
import { bare, inet, NFNL_SUBSYS_NFTABLES, openMessage } from "./nfnetlink.ts";
import {
  be32,
  decodeExpression,
  encodeExpression,
  readBe32,
} from "./nft_expression.ts";
import { decodeFamily } from "./family.ts";
import { acceptedBy, expressionsOf, ruleOf } from "./nft_rule.ts";

/** include/uapi/linux/netfilter/nfnetlink.h, enum nfnetlink_groups: every change of a table */
export const NFNLGRP_NFTABLES = 7;

/** include/uapi/linux/netfilter/nf_tables.h, enum nf_tables_msg_types */
const NFT_MSG_NEWTABLE = 0;
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_NEWCHAIN = 3;
const NFT_MSG_GETCHAIN = 4;
const NFT_MSG_NEWRULE = 6;
const NFT_MSG_GETRULE = 7;
const NFT_MSG_NEWGEN = 15;
const NFT_MSG_GETGEN = 16;

/** include/uapi/linux/netfilter/nf_tables.h, enum nft_table_attributes and enum nft_table_flags */
const NFTA_TABLE_NAME = 1;
const NFTA_TABLE_FLAGS = 2;
const NFT_TABLE_F_DORMANT = 1;

/** enum nft_chain_attributes, enum nft_hook_attributes */
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_CHAIN_POLICY = 5;
const NFTA_CHAIN_TYPE = 7;
const NFTA_HOOK_HOOKNUM = 1;
const NFTA_HOOK_PRIORITY = 2;

/** enum nft_rule_attributes, enum nft_list_attributes */
const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_EXPRESSIONS = 4;
const NFTA_RULE_USERDATA = 7;
const NFTA_LIST_ELEM = 1;

/** enum nft_gen_attributes */
const NFTA_GEN_ID = 1;

/** How nft(8) keeps a comment: this type, its length, the text and a zero (libnftnl, udata.h). */
const NFTNL_UDATA_RULE_COMMENT = 0;

/** include/uapi/linux/netfilter.h, enum nf_inet_hooks: by their numbers */
const HOOKS = ["prerouting", "input", "forward", "output", "postrouting"];

/** include/uapi/linux/netfilter.h */
const NF_DROP = 0;
const NF_ACCEPT = 1;

export interface TableHead {
  /** NFPROTO_… */
  readonly family: number;
  readonly name: string;
  readonly dormant: boolean;
}

/** The tables of all families. */
export function dumpTables(): Request {
  return bare(NFT_MSG_GETTABLE, NLM_F_DUMP);
}

/** The chains of all inet tables: the kernel chooses by family alone. */
export function dumpChains(): Request {
  return inet(NFT_MSG_GETCHAIN, NLM_F_DUMP, () => {});
}

/** The chains of all tables of all families. */
export function dumpAllChains(): Request {
  return bare(NFT_MSG_GETCHAIN, NLM_F_DUMP);
}

/** The rules of one table, chain by chain, in their order. */
export function dumpRules(table: string): Request {
  return inet(NFT_MSG_GETRULE, NLM_F_DUMP, (out) => {
    out.string(NFTA_RULE_TABLE, table);
  });
}

/** One chain of any family's table. ENOENT where it is not there. */
export function getChain(
  family: number,
  { table, name }: { readonly table: string; readonly name: string },
): Request {
  return inet(NFT_MSG_GETCHAIN, 0, (out) => {
    out.string(NFTA_CHAIN_TABLE, table).string(NFTA_CHAIN_NAME, name);
  }, family);
}

/** Its rules. */
export function dumpChainRules(
  family: number,
  { table, name }: { readonly table: string; readonly name: string },
): Request {
  return inet(NFT_MSG_GETRULE, NLM_F_DUMP, (out) => {
    out.string(NFTA_RULE_TABLE, table).string(NFTA_RULE_CHAIN, name);
  }, family);
}

/** Another number after each change of any table. */
export function getGeneration(): Request {
  return bare(NFT_MSG_GETGEN, 0);
}

/** With its chains, rules and sets. To be sent in a batch. ENOENT where it is not there. */
export function deleteTable(name: string): Request {
  return inet(NFT_MSG_DELTABLE, 0, (out) => {
    out.string(NFTA_TABLE_NAME, name);
  });
}

/** The table in place of whatever has its name, or of nothing. To be sent as one batch. */
export function replaceTable(table: Table): readonly Request[] {
  const { name, chains } = table;
  return [
    newTable(name), // so that there is one to delete
    deleteTable(name),
    newTable(name),
    ...chains.map((chain) => newChain(name, chain)),
    ...chains.flatMap((chain) =>
      chain.rules.map((rule) => newRule(rule, { table: name, chain }))
    ),
  ];
}

function newTable(name: string): Request {
  return inet(NFT_MSG_NEWTABLE, 0, (out) => {
    out.string(NFTA_TABLE_NAME, name);
    be32(out, NFTA_TABLE_FLAGS, 0);
  });
}

function newChain(table: string, chain: Chain): Request {
  return inet(NFT_MSG_NEWCHAIN, NLM_F_CREATE, (out) => {
    out.string(NFTA_CHAIN_TABLE, table).string(NFTA_CHAIN_NAME, chain.name)
      .string(NFTA_CHAIN_TYPE, chain.type);
    const accept = chain.policy === "accept";
    be32(out, NFTA_CHAIN_POLICY, accept ? NF_ACCEPT : NF_DROP);
    out.nest(NFTA_CHAIN_HOOK, (hook) => {
      be32(hook, NFTA_HOOK_HOOKNUM, HOOKS.indexOf(chain.hook));
      be32(hook, NFTA_HOOK_PRIORITY, chain.priority);
    });
  });
}

function newRule(
  rule: Rule,
  { table, chain }: { readonly table: string; readonly chain: Chain },
): Request {
  return inet(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, (out) => {
    out.string(NFTA_RULE_TABLE, table).string(NFTA_RULE_CHAIN, chain.name);
    out.nest(NFTA_RULE_EXPRESSIONS, (list) => {
      for (const expression of expressionsOf(rule)) {
        list.nest(
          NFTA_LIST_ELEM,
          (element) => encodeExpression(element, expression),
        );
      }
    });
    if (rule.comment !== "") {
      out.bytes(NFTA_RULE_USERDATA, encodeComment(rule.comment));
    }
  });
}

/** @throws {SyntaxError} when it is no NFT_MSG_NEWTABLE message */
export function decodeTable(payload: Uint8Array): TableHead {
  const { family, attributes } = openMessage(payload, "table");
  const name = named(attributes, NFTA_TABLE_NAME, "table");
  const flags = readBe32(attributes, NFTA_TABLE_FLAGS) ?? 0;
  return { family, name, dormant: (flags & NFT_TABLE_F_DORMANT) !== 0 };
}

export interface ChainRecord {
  /** NFPROTO_… */
  readonly family: number;
  readonly table: string;
  readonly chain: Omit<Chain, "rules">;
}

/** @throws {SyntaxError} when it is no NFT_MSG_NEWCHAIN message */
export function decodeChain(payload: Uint8Array): ChainRecord {
  const { family, attributes } = openMessage(payload, "chain");
  const hook = attributes.nest(NFTA_CHAIN_HOOK);
  const number = hook && readBe32(hook, NFTA_HOOK_HOOKNUM);
  const priority = hook && readBe32(hook, NFTA_HOOK_PRIORITY);
  const policy = readBe32(attributes, NFTA_CHAIN_POLICY);
  return {
    family,
    table: named(attributes, NFTA_CHAIN_TABLE, "chain"),
    chain: {
      name: named(attributes, NFTA_CHAIN_NAME, "chain"),
      type: attributes.string(NFTA_CHAIN_TYPE) ?? "",
      hook: number === undefined ? "" : HOOKS[number] ?? String(number),
      priority: (priority ?? 0) | 0, // s32
      policy: policy === NF_DROP ? "drop" : "accept",
    },
  };
}

export interface RuleRecord {
  readonly table: string;
  readonly chain: string;
  readonly rule: Rule;
}

/** @throws {SyntaxError} when it is no NFT_MSG_NEWRULE message */
export function decodeRule(payload: Uint8Array): RuleRecord {
  const { attributes } = openMessage(payload, "rule");
  const expressions = attributes.list(NFTA_RULE_EXPRESSIONS)
    .map(decodeExpression);
  const comment = decodeComment(attributes.bytes(NFTA_RULE_USERDATA));
  return {
    table: named(attributes, NFTA_RULE_TABLE, "rule"),
    chain: named(attributes, NFTA_RULE_CHAIN, "rule"),
    rule: ruleOf(expressions, comment),
  };
}

/**
 * What a rule of an IPv4 or IPv6 table accepts; `undefined`: it does something
 * else, or asks for what our own rules know nothing of.
 *
 * @throws {SyntaxError} when it is no NFT_MSG_NEWRULE message
 */
export function decodeAccepted(
  payload: Uint8Array,
): readonly Match[] | undefined {
  const { family, attributes } = openMessage(payload, "rule");
  const expressions = attributes.list(NFTA_RULE_EXPRESSIONS)
    .map(decodeExpression);
  const version = decodeFamily(family);
  return version && acceptedBy(expressions, version);
}

/** @throws {SyntaxError} when it is no NFT_MSG_NEWGEN message */
export function decodeGeneration(payload: Uint8Array): number {
  const { attributes } = openMessage(payload, "generation");
  const generation = readBe32(attributes, NFTA_GEN_ID);
  if (generation !== undefined) return generation;
  throw new SyntaxError("Cannot decode generation: it has no number");
}

/**
 * Whose change an event tells of; `undefined`: nobody's, as when a transaction
 * is over. What tables, chains, rules, sets … have in common is that their first
 * attribute is the table's name.
 *
 * @throws {SyntaxError} when the message is cut short
 */
export function decodeTableEvent(
  { type, payload }: Message,
): Omit<TableHead, "dormant"> | undefined {
  const ours = type >> 8 === NFNL_SUBSYS_NFTABLES;
  if (!ours || (type & 0xff) === NFT_MSG_NEWGEN) return undefined;
  const { family, attributes } = openMessage(payload, "event");
  return { family, name: named(attributes, NFTA_TABLE_NAME, "event") };
}

function encodeComment(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(`${text}\0`);
  return Uint8Array.of(NFTNL_UDATA_RULE_COMMENT, bytes.length, ...bytes);
}

/** "" where there is none, or something else before it. */
function decodeComment(data: Uint8Array = new Uint8Array()): string {
  const [type, length = 0] = data;
  if (type !== NFTNL_UDATA_RULE_COMMENT || length === 0) return "";
  return new TextDecoder().decode(data.subarray(2, 2 + length - 1));
}

function named(attributes: Attributes, type: number, what: string): string {
  const name = attributes.string(type);
  if (name !== undefined) return name;
  throw new SyntaxError(`Cannot decode ${what}: it has no name`);
}
