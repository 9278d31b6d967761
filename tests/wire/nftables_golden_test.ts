/**
 * nf_tables' messages against the bytes of nft(8) and of the kernel.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  decodeMessages,
  encodeRequest,
  type Message,
  NLM_F_ACK,
} from "../../mod/wire/netlink.ts";
import {
  decodeTable,
  deleteTable,
  dumpTables,
  encodeBatch,
  NFPROTO_INET,
} from "../../mod/wire/nftables.ts";
import { loadGolden } from "../golden/load.ts";

const golden = loadGolden("nftables.txt");

/** nft(8) does without acknowledgements. */
function withoutAck(message: Message): Message {
  return { ...message, flags: message.flags & ~NLM_F_ACK };
}

function sentBy(command: string): readonly Message[] {
  return golden(command).sent.flatMap(decodeMessages);
}

Deno.test("tables are listed with the same bytes as: nft list tables", () => {
  const ours = decodeMessages(encodeRequest(dumpTables(), 0));
  assert.deepEqual(ours.map(withoutAck), sentBy("nft list tables"));
});

Deno.test("a table is deleted with the same batch as nft's, plus an acknowledgement", () => {
  const expected = sentBy("nft delete table inet clusternet");
  const table = { family: NFPROTO_INET, name: "clusternet" };
  const ours = decodeMessages(encodeBatch([deleteTable(table)], 0));
  assert.deepEqual(ours.map(withoutAck), expected);
  const acks = ours.map(({ flags }) => (flags & NLM_F_ACK) !== 0);
  assert.deepEqual(acks, [false, true, false]);
});

Deno.test("decodeTable() reads the kernel's tables", () => {
  const tables = golden("nft list tables").received.flatMap(decodeMessages)
    .map(({ payload }) => decodeTable(payload));
  assert.deepEqual(tables, [
    { family: NFPROTO_INET, name: "clusternet" },
    { family: 2, name: "other" },
  ]);
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
