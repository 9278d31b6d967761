import assert from "node:assert/strict";
import { Health } from "../../mod/agent/health.ts";
import { FIRST_LIST_MISSING } from "../../mod/core/desired.ts";
import { problem } from "../support/problems.ts";

Deno.test("a fresh agent is not ready, and says what it waits for", () => {
  const summary = new Health().summary();
  assert.equal(summary.ready, false);
  assert.equal(summary.starting, true);
  assert.match(summary.text, /^Starting: .*\(and 3 more\)$/);
});

Deno.test("ready means that nobody has a problem", () => {
  let changes = 0;
  const health = new Health(() => changes++);
  health.report("kernel", []);
  health.report("nodes", []);
  assert.equal(health.summary().ready, false);
  health.report("key", []);
  assert.equal(health.summary().ready, false);
  health.report("version", []);
  assert.deepEqual(health.summary(), {
    ready: true,
    starting: false,
    text: "OK, 0 peers",
  });
  health.setPeers(1);
  assert.equal(health.summary().text, "OK, 1 peer");
  health.setPeers(12);
  assert.equal(health.summary().text, "OK, 12 peers");
  const before = changes;
  health.report("kernel", []);
  health.setPeers(12);
  assert.equal(changes, before, "the same again changes nothing");
  health.report("kernel", [problem("The port is taken")]);
  assert.equal(health.summary().text, "Degraded: The port is taken");
  assert.equal(changes, before + 1);
});

Deno.test("what was found comes before what is still to be looked for", () => {
  const health = new Health();
  health.report("key", [problem("Cannot patch Node n1: 403 Forbidden")]);
  const { starting, text } = health.summary();
  assert.equal(starting, false);
  assert.match(text, /^Degraded: Cannot patch Node n1.* \(and 3 more\)$/);
});

Deno.test("what follows from something else does not come before it, or twice", () => {
  const health = new Health();
  health.report("kernel", [FIRST_LIST_MISSING]);
  const denied = "Cannot watch Nodes: 403 Forbidden";
  health.report("nodes", [problem(denied)]);
  health.report("key", [problem("Cannot patch Node n1: 403 Forbidden")]);
  health.report("condition", [problem("Cannot patch Node n1: 403 Forbidden")]);
  assert.deepEqual(health.sentences(), [
    denied,
    "Cannot patch Node n1: 403 Forbidden",
  ]);
  health.report("kernel", [problem("The port is taken")]);
  assert.match(health.summary().text, /^Degraded: The port is taken/);
});
