/**
 * What a real API server has said of Nodes (`deno task golden nodes`): both
 * encodings of it are read alike, and no damage to it harms.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  listBytes,
  nodeBytes,
  statusBytes,
  watchFrame,
  wrapped,
} from "../fakes/api_protobuf.ts";
import {
  assertAlike,
  assertUnharmed,
  recordedFrom,
} from "../support/recorded_nodes.ts";

const RECORDED = recordedFrom(
  Deno.readTextFileSync(
    new URL("../golden/protobuf/recorded.jsonl", import.meta.url),
  ),
);

Deno.test("what a real API server has said is read alike in both encodings", () => {
  const events = assertAlike(RECORDED);
  const kinds = new Set(events.map(({ kind }) => kind));
  assert.deepEqual([...kinds].sort(), ["bookmark", "remove", "upsert"]);
  const last = events.filter((event) => event.kind === "bookmark");
  assert.deepEqual(last.map(({ initialEnd }) => initialEnd), [true]);
});

Deno.test("damaged bytes of a real API server are refused with a SyntaxError, or read, and harm nothing", () => {
  assertUnharmed(RECORDED, { rounds: 3_000, seed: 1 });
});

Deno.test("the API server of the tests writes the bytes that a real one has sent", () => {
  // Of these it knows nothing, nor does the agent.
  const unknown = /"(swap|features)":/;
  let same = 0;
  for (const { what, json, protobuf } of RECORDED) {
    if (unknown.test(json)) continue;
    const { metadata, items, object, type, ...rest } = JSON.parse(json);
    const made = what === "status"
      ? statusBytes({ metadata, ...rest })
      : what === "list"
      ? listBytes({ metadata, items })
      : watchFrame(type, wrapped("Node", nodeBytes(object))).subarray(4);
    assert.equal(made.toHex(), protobuf.toHex(), json);
    same++;
  }
  assert.ok(same >= 50, `${same} are the same`);
});
