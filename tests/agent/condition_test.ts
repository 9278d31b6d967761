import assert from "node:assert/strict";
import { Bell } from "../../mod/agent/bell.ts";
import {
  type ConditionApi,
  publishCondition,
} from "../../mod/agent/condition.ts";
import { Health } from "../../mod/agent/health.ts";
import type { Json } from "../../mod/core/json_patch.ts";
import {
  DOWN_AFTER_MS,
  NetworkVerdict,
} from "../../mod/core/network_verdict.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import type { ObservedNode } from "../../mod/core/node_condition.ts";
import { decodeObservedNode, nodeFromJson } from "../../mod/wire/node_json.ts";
import { isObject, type JsonObject } from "../fakes/api_store.ts";
import { applyStrategicMerge } from "../fakes/strategic_merge.ts";
import { MemoryLog } from "../support/logs.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { problem } from "../support/problems.ts";

const WANTED = { annotation: "clusternet.dev/wg-pubkey", ownNode: "n1" };
const READY: JsonObject = { type: "Ready", status: "True" };
const THEIRS: JsonObject = {
  type: "NetworkUnavailable",
  status: "True",
  reason: "NoRouteCreated",
  message: "Node created without a route",
  lastTransitionTime: "2025-01-01T00:00:00Z",
};
const HOUR_MS = 3_600_000;

/** One Node behind an API that can fail, and a watch that follows on demand. */
class Bench implements ConditionApi {
  readonly clock = new VirtualClock();
  readonly bell = new Bell();
  readonly health = new Health();
  readonly verdict = new NetworkVerdict();
  readonly stop = new AbortController();
  readonly log = new MemoryLog();
  node = nodeObject("u1", [READY]);
  gets = 0;
  writes = 0;
  failure: Error | undefined;
  /** The next write is carried out, but its answer does not arrive. */
  losesReply = false;
  /** Does the watch bring every write at once? */
  follows = true;
  seen: NodeRecord | undefined;
  #task: Promise<void> | undefined;

  constructor() {
    this.health.report("key", []);
    this.follow();
  }

  start(): this {
    this.#task = publishCondition({
      api: this,
      bell: this.bell,
      clock: this.clock,
      health: this.health,
      log: this.log,
      nodeName: "n1",
      verdict: this.verdict,
      self: () => this.seen,
      utcNow: () => new Date(this.clock.now()).toISOString(),
    }, this.stop.signal);
    return this;
  }

  async end(): Promise<void> {
    this.stop.abort();
    await this.#task;
    assert.equal(this.clock.sleepers, 0, "no timer stays behind");
  }

  /** What a turn finds. */
  find(...sentences: readonly string[]): void {
    const nodeUid = this.seen?.uid ?? "";
    const outages = sentences.map(problem);
    this.verdict.report({ nodeUid, outages }, this.clock.now());
    this.bell.ring("turn");
  }

  /** The watch brings the Node as it is now. */
  follow(): void {
    this.seen = nodeFromJson(this.node, WANTED);
    this.bell.ring("self");
  }

  /** Somebody else writes the condition. */
  overwrite(condition: JsonObject): void {
    this.node = nodeObject(this.#uid(), [READY, condition]);
    this.follow();
  }

  condition(): JsonObject | undefined {
    const { status } = this.node;
    assert(isObject(status) && Array.isArray(status.conditions));
    const conditions = status.conditions as readonly JsonObject[];
    assert.deepEqual(conditions[0], READY);
    assert(conditions.length <= 2, "never two of a type");
    return conditions[1];
  }

  getNode(): Promise<ObservedNode> {
    this.gets++;
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const bytes = new TextEncoder().encode(JSON.stringify(this.node));
    const node = decodeObservedNode(bytes);
    assert(node !== undefined);
    return Promise.resolve(node);
  }

  mergeNodeStatus(name: string, patch: Json): Promise<void> {
    assert.equal(name, "n1");
    this.writes++;
    if (this.failure !== undefined) return Promise.reject(this.failure);
    assert(isObject(patch) && isObject(patch.metadata));
    assert.deepEqual(Object.keys(patch.metadata), ["uid"]);
    if (patch.metadata.uid !== this.#uid()) {
      return Promise.reject(new Error("422 Invalid: field is immutable"));
    }
    const next = applyStrategicMerge(this.node, patch);
    assert(isObject(next));
    this.node = next;
    if (this.follows) this.follow();
    if (!this.losesReply) return Promise.resolve();
    this.losesReply = false;
    return Promise.reject(new Error("connection reset"));
  }

  #uid(): string {
    const { metadata } = this.node;
    return isObject(metadata) ? String(metadata.uid) : "";
  }
}

function nodeObject(
  uid: string,
  conditions: readonly JsonObject[],
): JsonObject {
  return {
    metadata: { name: "n1", uid, resourceVersion: "1" },
    status: { conditions },
  };
}

Deno.test("publishCondition() writes False once all stands, and then rests", async () => {
  const bench = new Bench().start();
  await bench.clock.advance(60_000);
  assert.equal(bench.gets, 0, "nothing has been found yet");
  bench.find();
  await bench.clock.advance(10);
  assert.equal(bench.condition()?.status, "False");
  assert.equal(bench.condition()?.reason, "ClusternetIsUp");
  for (let turn = 0; turn < 200; turn++) {
    bench.find();
    await bench.clock.advance(30_000);
  }
  assert.deepEqual([bench.gets, bench.writes], [1, 1]);
  await bench.end();
  assert.equal(bench.condition()?.status, "False", "the end changes nothing");
});

Deno.test("publishCondition() waits for the key, the Node and the list", async () => {
  const bench = new Bench();
  bench.health.report("key", [problem("Cannot patch Node n1")]);
  bench.start().find();
  await bench.clock.advance(HOUR_MS);
  assert.equal(bench.gets, 0);
  bench.seen = undefined;
  bench.health.report("key", []);
  bench.bell.ring("health");
  await bench.clock.advance(HOUR_MS);
  assert.equal(bench.gets, 0);
  bench.follow();
  await bench.clock.advance(10);
  assert.equal(bench.condition()?.status, "False");
  await bench.end();
});

Deno.test("publishCondition() finds its condition there and asks nothing", async () => {
  const bench = new Bench().start();
  bench.find();
  await bench.clock.advance(1_000);
  const restarted = new Bench();
  restarted.node = bench.node;
  restarted.follow();
  restarted.start().find();
  await restarted.clock.advance(HOUR_MS);
  assert.deepEqual([restarted.gets, restarted.writes], [0, 0]);
  await bench.end();
  await restarted.end();
});

Deno.test("publishCondition() says why the network is down, when it is, and when it is back", async () => {
  const bench = new Bench().start();
  bench.find();
  await bench.clock.advance(1_000);
  bench.find("The port is taken");
  await bench.clock.advance(DOWN_AFTER_MS - 10);
  assert.equal(bench.condition()?.status, "False");
  await bench.clock.advance(20);
  const { status, reason, message } = bench.condition() ?? {};
  assert.deepEqual([status, reason, message], [
    "True",
    "ClusternetIsDown",
    "The port is taken",
  ]);
  bench.find();
  await bench.clock.advance(6_000);
  assert.equal(bench.condition()?.status, "False");
  assert.equal(bench.writes, 3);
  await bench.end();
});

Deno.test("publishCondition() leaves a repair of a moment untold", async () => {
  const bench = new Bench().start();
  bench.find();
  for (let turn = 0; turn < 300; turn++) {
    await bench.clock.advance(10_000);
    bench.find(...turn % 2 === 0 ? ["Not in place"] : []);
  }
  assert.equal(bench.writes, 1);
  await bench.end();
});

Deno.test("publishCondition() writes again until it sticks, at most every fourth second on average", async () => {
  const bench = new Bench();
  bench.overwrite(THEIRS);
  bench.start().find();
  await bench.clock.advance(10);
  assert.equal(bench.condition()?.reason, "ClusternetIsUp");
  bench.overwrite(THEIRS);
  await bench.clock.advance(10);
  assert.equal(bench.condition()?.reason, "ClusternetIsUp");
  for (let second = 0; second < 600; second++) {
    bench.overwrite(THEIRS);
    await bench.clock.advance(1_000);
  }
  const requests = bench.gets + bench.writes;
  assert(requests <= 160, `${requests} requests in ten minutes`);
  await bench.clock.advance(60_000);
  assert.equal(bench.condition()?.reason, "ClusternetIsUp");
  await bench.end();
});

Deno.test("publishCondition() writes a condition again that was taken away", async () => {
  const bench = new Bench().start();
  bench.find();
  await bench.clock.advance(10);
  bench.node = nodeObject("u1", [READY]);
  bench.follow();
  await bench.clock.advance(10);
  assert.equal(bench.condition()?.status, "False");
  await bench.end();
});

Deno.test("publishCondition() follows a Node that was made anew, once it has been looked at", async () => {
  const bench = new Bench().start();
  bench.find();
  await bench.clock.advance(1_000);
  bench.node = nodeObject("u2", [READY]);
  await bench.clock.advance(60_000);
  assert.equal(bench.condition(), undefined, "the watch has not shown it");
  bench.follow();
  await bench.clock.advance(60_000);
  assert.equal(bench.condition(), undefined, "no turn has been made for it");
  bench.find();
  await bench.clock.advance(10);
  assert.equal(bench.condition()?.status, "False");
  await bench.end();
});

Deno.test("publishCondition() writes to no other Node of the name than the one that it saw", async () => {
  const bench = new Bench();
  bench.node = nodeObject("u2", [READY]);
  bench.start().find();
  await bench.clock.advance(HOUR_MS);
  assert.equal(bench.writes, 0);
  assert(bench.gets <= 1);
  await bench.end();
});

Deno.test("publishCondition() survives a lost reply with one final value", async () => {
  for (const follows of [true, false]) {
    const bench = new Bench();
    bench.follows = follows;
    bench.losesReply = true;
    bench.start().find();
    await bench.clock.advance(60_000);
    assert.equal(bench.condition()?.status, "False");
    assert.equal(bench.writes, 1, "the second look finds it there");
    assert(!bench.health.sentences().some((text) => text.includes("reset")));
    await bench.end();
  }
});

Deno.test("publishCondition() does not ask again and again while the watch lags", async () => {
  const bench = new Bench();
  bench.follows = false;
  bench.start();
  for (let turn = 0; turn < 100; turn++) {
    bench.find();
    await bench.clock.advance(30_000);
  }
  assert.deepEqual([bench.gets, bench.writes], [1, 1]);
  await bench.end();
});

Deno.test("publishCondition() says what fails, seldom asks, and obeys Retry-After", async () => {
  const bench = new Bench();
  bench.failure = new Error("Cannot patch Node n1: 403 Forbidden");
  bench.start();
  for (let turn = 0; turn < 20; turn++) {
    bench.find();
    await bench.clock.advance(30_000);
  }
  assert(bench.gets <= 150, `${bench.gets} requests in ten minutes`);
  assert(bench.health.sentences().some((text) => text.includes("403")));
  bench.failure = Object.assign(new Error("429"), { retryAfterSeconds: 300 });
  await bench.clock.advance(60_000);
  const { gets } = bench;
  await bench.clock.advance(200_000);
  assert.equal(bench.gets, gets);
  bench.failure = undefined;
  await bench.clock.advance(200_000);
  assert.equal(bench.condition()?.status, "False");
  assert.deepEqual(
    bench.health.sentences().filter((text) => text.includes("4")),
    [],
  );
  await bench.end();
});

Deno.test("publishCondition() tells no outage of an API server that is away", async () => {
  const bench = new Bench().start();
  bench.find();
  await bench.clock.advance(1_000);
  bench.failure = new Error("Cannot reach the API server");
  for (let turn = 0; turn < 100; turn++) {
    bench.find();
    await bench.clock.advance(30_000);
  }
  assert.deepEqual([bench.gets, bench.writes], [1, 1]);
  await bench.end();
});

Deno.test("publishCondition() drops what it could not say in time", async () => {
  const bench = new Bench().start();
  bench.find();
  await bench.clock.advance(1_000);
  bench.failure = new Error("Cannot reach the API server");
  bench.find("The port is taken");
  await bench.clock.advance(60_000);
  bench.find();
  await bench.clock.advance(6_000);
  bench.failure = undefined;
  await bench.clock.advance(60_000);
  assert.equal(bench.condition()?.status, "False");
  assert.equal(bench.writes, 1, "it had said so all the time");
  assert(!bench.health.sentences().some((text) => text.includes("reach")));
  await bench.end();
});
