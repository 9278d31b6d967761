import assert from "node:assert/strict";
import { Bell } from "../../mod/agent/bell.ts";
import { Health } from "../../mod/agent/health.ts";
import { type NodeApi, publishKey } from "../../mod/agent/publish.ts";
import type { PatchOp } from "../../mod/core/json_patch.ts";
import { parsePublicKey } from "../../mod/core/key.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import { MemoryLog } from "../support/logs.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const KEY = parsePublicKey("hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=");
const ANNOTATION = "clusternet.dev/wg-pubkey";

/** One Node behind an API that can fail, and a watch that follows on demand. */
class Bench implements NodeApi {
  readonly clock = new VirtualClock();
  readonly bell = new Bell();
  readonly health = new Health();
  readonly log = new MemoryLog();
  readonly stop = new AbortController();
  annotations: Record<string, string> | undefined;
  uid = "u1";
  gets = 0;
  writes = 0;
  failure: Error | undefined;
  isVerified = true;
  seen: NodeRecord | undefined;
  #task: Promise<void> | undefined;

  start(): void {
    this.#task = publishKey({
      api: this,
      bell: this.bell,
      clock: this.clock,
      health: this.health,
      log: this.log,
      nodeName: "n1",
      annotation: ANNOTATION,
      publicKey: KEY,
      verified: () => this.isVerified,
      self: () => this.seen,
    }, this.stop.signal);
  }

  async end(): Promise<void> {
    this.stop.abort();
    await this.#task;
    assert.equal(this.clock.sleepers, 0, "no timer stays behind");
  }

  /** The watch brings the Node as it is now. */
  follow(): void {
    this.seen = {
      name: "n1",
      uid: this.uid,
      created: "2026-01-01T00:00:00Z",
      publicKey: this.annotations?.[ANNOTATION],
      internalIps: [],
      podCidrs: [],
    };
    this.bell.ring("node");
  }

  getNode(): ReturnType<NodeApi["getNode"]> {
    this.gets++;
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return Promise.resolve({
      uid: this.uid,
      resourceVersion: "1",
      annotations: this.annotations,
    });
  }

  patchNodeStatus(_name: string, patch: readonly PatchOp[]): Promise<void> {
    this.writes++;
    assert.deepEqual(patch[0], {
      op: "test",
      path: "/metadata/uid",
      value: this.uid,
    });
    for (const op of patch) {
      if (op.op !== "add") continue;
      if (op.path === "/metadata/annotations") this.annotations = {};
      else if (this.annotations === undefined) {
        return Promise.reject(new Error("add below nothing"));
      } else this.annotations[ANNOTATION] = String(op.value);
    }
    return Promise.resolve();
  }
}

Deno.test("publishKey() writes once, and then rests", async () => {
  const bench = new Bench();
  bench.start();
  await bench.clock.advance(5_000);
  assert.deepEqual(bench.annotations, { [ANNOTATION]: KEY });
  bench.follow();
  await bench.clock.advance(3_600_000);
  assert.equal(bench.writes, 1);
  assert(bench.gets <= 2, `${bench.gets} reads in an hour of rest`);
  assert(!bench.health.sentences().some((text) => text.includes("key")));
  await bench.end();
});

Deno.test("publishKey() finds its key there and writes nothing", async () => {
  const bench = new Bench();
  bench.annotations = { [ANNOTATION]: KEY, other: "1" };
  bench.start();
  await bench.clock.advance(60_000);
  assert.equal(bench.writes, 0);
  await bench.end();
});

Deno.test("publishKey() waits until the kernel holds the key", async () => {
  const bench = new Bench();
  bench.isVerified = false;
  bench.start();
  await bench.clock.advance(120_000);
  assert.equal(bench.gets + bench.writes, 0);
  bench.isVerified = true;
  bench.bell.ring("turn");
  await bench.clock.advance(10);
  assert.equal(bench.writes, 1);
  await bench.end();
});

Deno.test("publishKey() publishes again when somebody changes or removes it", async () => {
  const bench = new Bench();
  bench.start();
  await bench.clock.advance(5_000);
  bench.follow();
  for (const annotations of [{ [ANNOTATION]: "theirs" }, {}, undefined]) {
    bench.annotations = annotations;
    bench.follow();
    await bench.clock.advance(2_000);
    assert.deepEqual(bench.annotations, { [ANNOTATION]: KEY });
    bench.follow();
    await bench.clock.advance(2_000);
  }
  assert.equal(bench.writes, 4);
  await bench.end();
});

Deno.test("publishKey() follows a Node that was made anew", async () => {
  const bench = new Bench();
  bench.start();
  await bench.clock.advance(5_000);
  bench.follow();
  bench.uid = "u2";
  bench.annotations = undefined;
  bench.follow();
  await bench.clock.advance(2_000);
  assert.deepEqual(bench.annotations, { [ANNOTATION]: KEY });
  await bench.end();
});

Deno.test("publishKey() does not ask again and again while the watch lags", async () => {
  const bench = new Bench();
  bench.follow();
  bench.start();
  await bench.clock.advance(3_600_000);
  assert.equal(bench.writes, 1);
  assert.equal(bench.gets, 1);
  await bench.end();
});

Deno.test("publishKey() says what fails, and asks at most every fourth second on average", async () => {
  const bench = new Bench();
  bench.failure = new Error("Cannot patch Node n1: 403 Forbidden");
  bench.start();
  await bench.clock.advance(600_000);
  assert(bench.gets <= 150, `${bench.gets} requests in ten minutes`);
  assert(bench.health.sentences().some((text) => text.includes("403")));
  bench.failure = undefined;
  await bench.clock.advance(60_000);
  assert.deepEqual(bench.annotations, { [ANNOTATION]: KEY });
  await bench.end();
});

Deno.test("publishKey() asks no more where somebody undoes it each time", async () => {
  const bench = new Bench();
  bench.start();
  for (let second = 0; second < 600; second++) {
    bench.annotations = { [ANNOTATION]: "theirs" };
    bench.follow();
    await bench.clock.advance(1_000);
  }
  const requests = bench.gets + bench.writes;
  assert(requests <= 600 / 4 + 18, `${requests} requests in ten minutes`);
  assert(bench.writes >= 60, `${bench.writes} writes in ten minutes`);
  await bench.end();
});

Deno.test("publishKey() obeys Retry-After", async () => {
  const bench = new Bench();
  bench.failure = Object.assign(new Error("429"), { retryAfterSeconds: 100 });
  bench.start();
  await bench.clock.advance(99_000);
  assert.equal(bench.gets, 1);
  await bench.end();
});
