import assert from "node:assert/strict";
import {
  DOWN_AFTER_MS,
  NetworkVerdict,
  UP_AFTER_MS,
} from "../../mod/core/network_verdict.ts";
import { Random } from "../support/random.ts";
import { problem } from "../support/problems.ts";

const FINE = { nodeUid: "u1", outages: [] };
const OUTAGE = {
  nodeUid: "u1",
  outages: ["The port is taken", "And more"].map(problem),
};
const HOUR_MS = 3_600_000;

function statusAt(verdict: NetworkVerdict, now: number): string | undefined {
  return verdict.at(now).condition?.status;
}

Deno.test("nothing is said before something is found; what stands at once", () => {
  const verdict = new NetworkVerdict();
  const nothing = { nodeUid: "", condition: undefined, until: Infinity };
  assert.deepEqual(verdict.at(0), nothing);
  assert.deepEqual(verdict.at(HOUR_MS), nothing);
  verdict.report(FINE, HOUR_MS);
  const { condition, nodeUid, until } = verdict.at(HOUR_MS);
  assert.equal(condition?.status, "False");
  assert.equal(condition?.reason, "ClusternetIsUp");
  assert.equal(nodeUid, "u1");
  assert.equal(until, Infinity);
});

Deno.test("an outage is told when it has lasted, with its first sentence", () => {
  const verdict = new NetworkVerdict();
  verdict.report(FINE, 0);
  assert.equal(statusAt(verdict, 0), "False");
  verdict.report(OUTAGE, 1_000);
  assert.deepEqual(verdict.at(1_000).until, 1_000 + DOWN_AFTER_MS);
  verdict.report(OUTAGE, 9_000);
  assert.equal(statusAt(verdict, DOWN_AFTER_MS + 999), "False");
  const { condition } = verdict.at(DOWN_AFTER_MS + 1_000);
  assert.deepEqual(condition, {
    status: "True",
    reason: "ClusternetIsDown",
    message: "The port is taken (and 1 more)",
  });
});

Deno.test("an outage from the start is told, a repair of a moment is not", () => {
  const bad = new NetworkVerdict();
  bad.report(OUTAGE, 0);
  assert.equal(statusAt(bad, DOWN_AFTER_MS - 1), undefined);
  assert.equal(statusAt(bad, DOWN_AFTER_MS), "True");
  const good = new NetworkVerdict();
  for (let now = 0; now < HOUR_MS; now += 1_000) {
    good.report(now % 10_000 === 0 ? FINE : OUTAGE, now);
    assert.equal(statusAt(good, now), "False");
  }
});

Deno.test("the way back takes longer each time, and is forgiven", () => {
  const verdict = new NetworkVerdict();
  let now = 0;
  verdict.report(FINE, now);
  verdict.at(now);
  const waits: number[] = [];
  for (let times = 0; times < 9; times++) {
    verdict.report(OUTAGE, now);
    now += DOWN_AFTER_MS;
    assert.equal(statusAt(verdict, now), "True");
    verdict.report(FINE, now);
    const { until } = verdict.at(now);
    assert.equal(statusAt(verdict, until - 1), "True");
    assert.equal(statusAt(verdict, until), "False");
    waits.push(until - now);
    now = until;
  }
  assert.deepEqual(
    waits.map((wait) => wait / UP_AFTER_MS),
    [1, 2, 4, 8, 16, 32, 60, 60, 60],
  );
  now += HOUR_MS;
  assert.equal(statusAt(verdict, now), "False");
  verdict.report(OUTAGE, now);
  assert.equal(statusAt(verdict, now + DOWN_AFTER_MS), "True");
  now += DOWN_AFTER_MS;
  verdict.report(FINE, now);
  assert.equal(verdict.at(now).until, now + UP_AFTER_MS);
});

Deno.test("a sentence that changes is told at most once a minute", () => {
  const verdict = new NetworkVerdict();
  const messages = new Set<string | undefined>();
  for (let now = 0; now < 600_000; now += 500) {
    verdict.report({ nodeUid: "u1", outages: [problem(`reason ${now}`)] }, now);
    messages.add(verdict.at(now).condition?.message);
  }
  messages.delete(undefined);
  assert(messages.size >= 9 && messages.size <= 11, `${messages.size}`);
});

Deno.test("another Node of our name is judged from the beginning", () => {
  const verdict = new NetworkVerdict();
  verdict.report(FINE, 0);
  assert.equal(statusAt(verdict, 0), "False");
  verdict.report({ ...OUTAGE, nodeUid: "u2" }, 1_000);
  assert.equal(statusAt(verdict, 1_000), undefined);
  assert.equal(verdict.at(1_000).nodeUid, "u2");
  assert.equal(statusAt(verdict, 1_000 + DOWN_AFTER_MS), "True");
});

Deno.test("whatever comes and goes, the status changes seldom and ends right", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new Random(seed);
    const verdict = new NetworkVerdict();
    let before: string | undefined;
    let changes = 0;
    let outage = false;
    for (let now = 0; now < 24 * HOUR_MS; now += 1_000 * random.below(30)) {
      if (random.chance(0.3)) outage = !outage;
      verdict.report(outage ? OUTAGE : FINE, now);
      const status = statusAt(verdict, now);
      if (status !== before) changes++;
      before = status;
    }
    assert(changes < 24 * 20, `seed ${seed}: ${changes} changes in a day`);
    const end = 25 * HOUR_MS;
    verdict.report(outage ? OUTAGE : FINE, end);
    const settled = statusAt(verdict, end + HOUR_MS);
    assert.equal(settled, outage ? "True" : "False", `seed ${seed}`);
  }
});
