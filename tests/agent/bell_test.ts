import assert from "node:assert/strict";
import { Bell } from "../../mod/agent/bell.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";

Deno.test("wait() ends with a ring, and three rings are one", async () => {
  const clock = new VirtualClock();
  const bell = new Bell();
  let woken = 0;
  const waiting = bell.wait(1_000, {
    clock,
    signal: new AbortController().signal,
  }).then(() => woken++);
  await settle();
  assert.equal(woken, 0);
  bell.ring("a");
  bell.ring("b");
  bell.ring("a");
  await waiting;
  assert.equal(woken, 1);
  assert.deepEqual([...bell.take()], ["a", "b"]);
  assert.deepEqual([...bell.take()], []);
  assert.equal(clock.sleepers, 0, "no timer stays behind");
});

Deno.test("wait() returns at once when it has rung before", async () => {
  const clock = new VirtualClock();
  const bell = new Bell();
  bell.ring("early");
  await bell.wait(1_000, { clock, signal: new AbortController().signal });
  assert.equal(clock.now(), 0);
});

Deno.test("wait() ends with the time, or with an abort", async () => {
  const clock = new VirtualClock();
  const bell = new Bell();
  const stop = new AbortController();
  let ended = 0;
  void bell.wait(1_000, { clock, signal: stop.signal }).then(() => ended++);
  await clock.advance(999);
  assert.equal(ended, 0);
  await clock.advance(1);
  assert.equal(ended, 1);
  void bell.wait(1_000, { clock, signal: stop.signal }).then(() => ended++);
  await settle();
  stop.abort();
  await settle();
  assert.equal(ended, 2);
  assert.equal(clock.sleepers, 0, "no timer stays behind");
});
