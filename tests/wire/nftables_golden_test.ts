/**
 * nf_tables' messages against the bytes of nft(8) and of the kernel.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Rule, Table } from "../../mod/core/nftables.ts";
import {
  decodeMessages,
  encodeRequest,
  type Message,
  NLM_F_ACK,
} from "../../mod/wire/netlink.ts";
import { encodeBatch } from "../../mod/wire/nfnetlink.ts";
import {
  decodeChain,
  decodeRule,
  decodeTable,
  deleteTable,
  dumpTables,
  replaceTable,
} from "../../mod/wire/nftables.ts";
import { loadGolden } from "../golden/load.ts";
import { DUAL_STACK, ODD_LENGTHS } from "../support/tables.ts";

const golden = loadGolden("nftables.txt");

/** nft(8) does without acknowledgements. */
function withoutAck(message: Message): Message {
  return { ...message, flags: message.flags & ~NLM_F_ACK };
}

function sentBy(command: string): readonly Message[] {
  return golden(command).sent.flatMap(decodeMessages);
}

/** What the kernel answered to `nft list table`, by the kind of message. */
function listed(type: number): readonly Uint8Array[] {
  return golden("nft list table inet clusternet").received
    .flatMap(decodeMessages)
    .filter((message) => message.type === type)
    .map(({ payload }) => payload);
}

Deno.test("tables are listed with the same bytes as: nft list tables", () => {
  const ours = decodeMessages(encodeRequest(dumpTables(), 0));
  assert.deepEqual(ours.map(withoutAck), sentBy("nft list tables"));
});

Deno.test("a table is deleted with the same batch as nft's, plus an acknowledgement", () => {
  const expected = sentBy("nft delete table inet clusternet");
  const ours = decodeMessages(encodeBatch([deleteTable("clusternet")], 0));
  assert.deepEqual(ours.map(withoutAck), expected);
  const acks = ours.map(({ flags }) => (flags & NLM_F_ACK) !== 0);
  assert.deepEqual(acks, [false, true, false]);
});

const TABLES: Readonly<Record<string, Table>> = {
  nftables_dual_stack: DUAL_STACK,
  nftables_odd_lengths: ODD_LENGTHS,
};

for (const [name, table] of Object.entries(TABLES)) {
  Deno.test(`a table is made with the same batch as: nft -f ${name}.nft`, () => {
    const expected = sentBy(`nft -f tests/golden/${name}.nft`);
    const ours = decodeMessages(encodeBatch(replaceTable(table), 0));
    assert.equal(ours.length, expected.length);
    for (const [at, message] of ours.map(withoutAck).entries()) {
      assert.deepEqual(message, expected[at], `message ${at}`);
    }
  });
}

Deno.test("decodeTable() reads the kernel's tables", () => {
  const tables = golden("nft list tables").received.flatMap(decodeMessages)
    .map(({ payload }) => decodeTable(payload));
  assert.deepEqual(tables, [
    { family: NFPROTO_INET, name: "clusternet", dormant: false },
    { family: NFPROTO_IPV4, name: "other", dormant: false },
  ]);
});

/** include/uapi/linux/netfilter.h */
const NFPROTO_INET = 1;
const NFPROTO_IPV4 = 2;

/** NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE */
const NEWCHAIN = 0xa03;
const NEWRULE = 0xa06;

Deno.test("decodeChain() reads the kernel's chains, those without a hook too", () => {
  const chains = listed(NEWCHAIN).map(decodeChain)
    .filter(({ table }) => table === "clusternet").map(({ chain }) => chain);
  assert.deepEqual(chains.slice(0, -1), [
    ...DUAL_STACK.chains.map(({ rules: _, ...chain }) => chain),
  ]);
  assert.deepEqual(chains.at(-1), {
    name: "foreign",
    type: "",
    hook: "",
    priority: 0,
    policy: "accept",
  });
});

Deno.test("decodeRule() reads our rules as they were, others as others", () => {
  const rules = listed(NEWRULE).map(decodeRule)
    .filter(({ table }) => table === "clusternet");
  const of = (name: string): readonly Rule[] =>
    rules.filter(({ chain }) => chain === name).map(({ rule }) => rule);
  const other: Rule = { matches: [], verdict: "other", comment: "" };
  for (const { name, rules } of DUAL_STACK.chains) {
    const before = name === "guard" ? [other] : [];
    assert.deepEqual(of(name), [...before, ...rules]);
  }
  assert.deepEqual(of("foreign"), [other]);
});

Deno.test("decodeTable() throws nothing but SyntaxError, wherever a message ends", () => {
  const [message] = golden("nft list tables").received.flatMap(decodeMessages);
  const payload = message?.payload ?? assert.fail();
  for (let length = 0; length < payload.length; length++) {
    try {
      decodeTable(payload.subarray(0, length));
    } catch (error) {
      assert(error instanceof SyntaxError, String(error));
    }
  }
});
