import assert from "node:assert/strict";
import type { Json } from "../../mod/core/json_patch.ts";
import {
  conditionPatch,
  isOurCondition,
  MESSAGE_LIMIT,
  NETWORK_IS_UP,
  type NetworkCondition,
  networkIsDown,
  type ObservedNode,
  removalPatch,
  sameCondition,
} from "../../mod/core/node_condition.ts";
import { applyStrategicMerge } from "../fakes/strategic_merge.ts";
import { problem } from "../support/problems.ts";

const NOW = "2026-02-02T00:00:00Z";
const THEN = "2026-01-01T00:00:00Z";
const KEY = "clusternet.dev/wg-pubkey";
const READY = { type: "Ready", status: "True", reason: "KubeletReady" };

function observed(condition?: NetworkCondition): ObservedNode {
  return {
    uid: "u1",
    resourceVersion: "7",
    networkCondition: condition && { ...condition, lastTransitionTime: THEN },
  };
}

function nodeWith(conditions: readonly Json[]): Json {
  return {
    metadata: { name: "a", uid: "u1" },
    status: { conditions, addresses: [{ type: "InternalIP", address: "x" }] },
  };
}

function conditionsOf(node: Json): readonly Record<string, Json>[] {
  return (node as {
    readonly status: {
      readonly conditions: readonly Record<string, Json>[];
    };
  }).status.conditions;
}

Deno.test("conditionPatch() adds the condition, and leaves all others where they are", () => {
  const patch = conditionPatch(observed(), NETWORK_IS_UP, { now: NOW });
  const other = { type: "DiskPressure", status: "False" };
  for (const before of [[READY, other], [other, READY], []]) {
    const after = conditionsOf(applyStrategicMerge(nodeWith(before), patch));
    assert.deepEqual(after, [...before, {
      type: "NetworkUnavailable",
      ...NETWORK_IS_UP,
      lastHeartbeatTime: NOW,
      lastTransitionTime: NOW,
    }]);
    // Once more, as after a lost reply: still one.
    const again = applyStrategicMerge(nodeWith(after), patch);
    assert.deepEqual(conditionsOf(again), after);
  }
  const bare = { metadata: { uid: "u1" } };
  assert.equal(conditionsOf(applyStrategicMerge(bare, patch)).length, 1);
});

Deno.test("conditionPatch() moves lastTransitionTime with the status alone", () => {
  const down = networkIsDown(problem("the port is taken"));
  const rows:
    readonly (readonly [NetworkCondition, NetworkCondition, string])[] = [
      [NETWORK_IS_UP, down, NOW],
      [down, NETWORK_IS_UP, NOW],
      [down, networkIsDown(problem("another reason")), THEN],
      [{ ...NETWORK_IS_UP, reason: "FlannelIsUp" }, NETWORK_IS_UP, THEN],
      [{ ...NETWORK_IS_UP, status: "Unknown" }, NETWORK_IS_UP, NOW],
    ];
  for (const [before, want, transition] of rows) {
    const patch = conditionPatch(observed(before), want, { now: NOW });
    const [found] = conditionsOf(patch);
    assert.equal(found?.lastTransitionTime, transition);
    assert.equal(found?.lastHeartbeatTime, NOW);
  }
  const patch = conditionPatch(
    {
      ...observed(),
      networkCondition: { ...NETWORK_IS_UP, lastTransitionTime: "" },
    },
    NETWORK_IS_UP,
    { now: NOW },
  );
  assert.equal(conditionsOf(patch)[0]?.lastTransitionTime, NOW);
});

Deno.test("conditionPatch() is held to one Node by its UID, and names nothing else", () => {
  const patch = conditionPatch(observed(), NETWORK_IS_UP, { now: NOW });
  assert.deepEqual(Object.keys(patch as object), ["metadata", "status"]);
  assert.deepEqual((patch as { metadata: Json }).metadata, { uid: "u1" });
});

Deno.test("networkIsDown() gives a message that comes back as it was sent", () => {
  const long = networkIsDown(
    problem("x".repeat(MESSAGE_LIMIT - 1) + "😀".repeat(9)),
  );
  assert.equal(long.message.length, MESSAGE_LIMIT);
  const bytes = new TextEncoder().encode(long.message);
  assert.equal(new TextDecoder().decode(bytes), long.message);
});

Deno.test("sameCondition() compares what is said, not when", () => {
  assert(sameCondition(undefined, undefined));
  assert(sameCondition(NETWORK_IS_UP, { ...NETWORK_IS_UP }));
  assert(!sameCondition(NETWORK_IS_UP, undefined));
  for (const key of ["status", "reason", "message"]) {
    assert(!sameCondition(NETWORK_IS_UP, { ...NETWORK_IS_UP, [key]: "x" }));
  }
});

Deno.test("removalPatch() takes what is ours and nothing else", () => {
  const node: ObservedNode = {
    ...observed(NETWORK_IS_UP),
    annotations: { [KEY]: "K=", other: "x" },
  };
  const patch = removalPatch(node, { annotation: KEY });
  assert(patch !== undefined);
  const before = {
    metadata: { uid: "u1", annotations: { [KEY]: "K=", other: "x" } },
    status: {
      conditions: [
        READY,
        { type: "NetworkUnavailable", ...NETWORK_IS_UP },
        { type: "DiskPressure", status: "False" },
      ],
    },
  };
  const after = {
    metadata: { uid: "u1", annotations: { other: "x" } },
    status: { conditions: [READY, { type: "DiskPressure", status: "False" }] },
  };
  assert.deepEqual(applyStrategicMerge(before, patch), after);
  assert.deepEqual(applyStrategicMerge(after, patch), after, "twice is once");
  const theirs = { ...NETWORK_IS_UP, reason: "FlannelIsUp" };
  assert(!isOurCondition(theirs));
  assert.deepEqual(
    removalPatch({
      ...node,
      networkCondition: { ...theirs, lastTransitionTime: "" },
    }, { annotation: KEY }),
    { metadata: { uid: "u1", annotations: { [KEY]: null } } },
  );
  assert.deepEqual(
    removalPatch(observed(networkIsDown(problem("why"))), { annotation: KEY }),
    {
      metadata: { uid: "u1" },
      status: {
        conditions: [{ $patch: "delete", type: "NetworkUnavailable" }],
      },
    },
  );
  assert.deepEqual(
    removalPatch(node, { annotation: undefined }),
    removalPatch(observed(NETWORK_IS_UP), { annotation: KEY }),
    "without --purge the other nodes keep the peer",
  );
  assert.equal(removalPatch(observed(), { annotation: KEY }), undefined);
  assert.equal(removalPatch(observed(theirs), { annotation: KEY }), undefined);
});
