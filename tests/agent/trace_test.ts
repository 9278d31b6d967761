/**
 * What a turn tells whoever traces it. That Deno sends it is `tests/lab/tracing_test.ts`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ERRNO } from "../../mod/core/errors.ts";
import { outline, RecordedSpans } from "../support/recorded_spans.ts";
import { type Bench, CONFIG, keyOf, listed, makeBench, node } from "./bench.ts";

async function traced(): Promise<{
  readonly bench: Bench;
  readonly tracer: RecordedSpans;
}> {
  const tracer = new RecordedSpans();
  const bench = await makeBench({ tracer });
  listed(bench, 4);
  return { bench, tracer };
}

Deno.test("a full turn tells what was seen, planned, done and read back, with counts", async () => {
  const { bench, tracer } = await traced();
  const { applied } = await bench.reconciler.turn("full");
  const spans = tracer.take();
  assert.deepEqual(outline(spans), [
    "turn",
    "  turn > observe",
    "  turn > plan",
    "  turn > apply",
    "  turn > observe",
    "  turn > plan",
  ]);
  const [turn, before, planned, apply, after, again] = spans;
  assert(applied > 5);
  assert.deepEqual(turn?.facts, {
    ...{ scope: "full", peers: 3, steps: applied, clean: true, problems: 0 },
  });
  assert.deepEqual(before?.facts, { routes: 0, peers: 0 });
  assert.deepEqual(planned?.facts, { steps: applied, blocked: 0 });
  assert.deepEqual(apply?.facts, { steps: applied, failures: 0 });
  assert.equal(after?.facts.peers, 3);
  assert.deepEqual(again?.facts, { steps: 0, blocked: 0 });
  assert(spans.every(({ ends }) => ends === 1));
  assert(spans.every(({ failure }) => failure === undefined));
});

Deno.test("a turn for one Node tells of that, and a turn without work of nothing but itself", async () => {
  const { bench, tracer } = await traced();
  await bench.reconciler.turn("full");
  tracer.take();
  bench.nodes.upsert(node(5));
  await bench.reconciler.turn("peers");
  const [turn, ...children] = tracer.take();
  assert.equal(turn?.facts.scope, "peers");
  assert.equal(turn?.facts.peers, 4);
  assert.deepEqual(outline(children), ["  turn > plan", "  turn > apply"]);
  await bench.reconciler.turn("peers");
  assert.deepEqual(outline(tracer.take()), ["turn"]);
});

Deno.test("what fails is a failure of the step and of the turn, with its sentence", async () => {
  const { bench, tracer } = await traced();
  bench.kernel.inject({
    errno: ERRNO.EPERM,
    on: ({ kind, text }) => kind === "write" && text.includes("ip_forward"),
  });
  const { problems } = await bench.reconciler.turn("full");
  const spans = tracer.take();
  const apply = spans.find(({ name }) => name === "apply");
  assert.equal(apply?.facts.failures, 1);
  assert.equal(apply?.failure, problems[0]?.text);
  assert.equal(spans[0]?.failure, problems[0]?.text);
});

Deno.test("a turn that is broken off is a failure whose spans have all ended", async () => {
  const { bench, tracer } = await traced();
  await bench.reconciler.turn("full");
  tracer.take();
  bench.kernel.inject({
    errno: ERRNO.EPERM,
    on: ({ text }) => text.startsWith("read device"),
  });
  await assert.rejects(bench.reconciler.turn("full"));
  const spans = tracer.take();
  assert.deepEqual(outline(spans), ["turn", "  turn > observe"]);
  for (const { ends, failure } of spans) {
    assert.equal(ends, 1);
    assert.match(failure ?? "", /^Cannot read device/);
  }
});

Deno.test("no span tells a key, an endpoint or the name of a Node", async () => {
  const { bench, tracer } = await traced();
  await bench.reconciler.turn("full");
  const told = JSON.stringify(tracer.take().map(({ facts }) => facts));
  const secrets = [keyOf(2), bench.publicKey, "192.168.0.2", "10.0.2.0"];
  for (const secret of [...secrets, '"n2"', CONFIG.privateKeyFile]) {
    assert(!told.includes(secret), secret);
  }
});
