import assert from "node:assert/strict";
import { supervise, type Task } from "../../mod/agent/supervise.ts";
import { FatalError } from "../../mod/core/errors.ts";
import { MemoryLog } from "../support/logs.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";

interface Bench {
  readonly clock: VirtualClock;
  readonly log: MemoryLog;
  readonly stop: AbortController;
}

function bench(): Bench {
  return {
    clock: new VirtualClock(),
    log: new MemoryLog(),
    stop: new AbortController(),
  };
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

Deno.test("supervise() starts a failed task again, later each time", async () => {
  const { clock, log, stop } = bench();
  const starts: number[] = [];
  const task: Task = {
    name: "watch",
    run: () => {
      starts.push(clock.now());
      return Promise.reject(new Error("no luck"));
    },
  };
  const all = supervise([task], { clock, log, signal: stop.signal });
  await clock.advance(120_000);
  stop.abort();
  await all;
  const pauses = starts.slice(1).map((at, index) => at - (starts[index] ?? 0));
  assert(pauses.length >= 4, `${pauses}`);
  for (const [index, pause] of pauses.entries()) {
    assert(pause <= 30_000);
    assert(pause >= (pauses[index - 1] ?? 0), `${pauses}`);
  }
  assert.match(log.messages("warn")[0] ?? "", /watch .* no luck/);
});

Deno.test("supervise() keeps the other tasks going when one fails", async () => {
  const { clock, log, stop } = bench();
  let steady = 0;
  const all = supervise([
    { name: "bad", run: () => Promise.reject(new Error("bad")) },
    {
      name: "good",
      run: (signal) => {
        steady++;
        return untilAborted(signal);
      },
    },
  ], { clock, log, signal: stop.signal });
  await clock.advance(60_000);
  assert.equal(steady, 1);
  stop.abort();
  await all;
});

Deno.test("supervise() ends everything on a FatalError, and passes it on", async () => {
  const { clock, log, stop } = bench();
  let ended = false;
  const all = supervise([
    {
      name: "other",
      run: async (signal) => {
        await untilAborted(signal);
        ended = true;
      },
    },
    {
      name: "fatal",
      run: () => Promise.reject(new FatalError("not ours", 1)),
    },
  ], { clock, log, signal: stop.signal });
  await assert.rejects(all, new FatalError("not ours", 1));
  assert(ended);
  assert.equal(clock.sleepers, 0);
});

Deno.test("supervise() ends with the signal, in the middle of a pause", async () => {
  const { clock, log, stop } = bench();
  const all = supervise(
    [{ name: "bad", run: () => Promise.reject(new Error("bad")) }],
    { clock, log, signal: stop.signal },
  );
  await settle();
  stop.abort();
  await all;
  assert.equal(clock.sleepers, 0);
});
