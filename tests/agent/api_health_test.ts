import assert from "node:assert/strict";
import { ApiHealth, TROUBLE_MS } from "../../mod/agent/api_health.ts";
import { Health } from "../../mod/agent/health.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { problem } from "../support/problems.ts";

const AWAY = problem("Cannot reach the API server: connection refused");
const DENIED = problem("Cannot watch Nodes: 403 Forbidden");

async function withBench(
  body: (
    api: ApiHealth,
    health: Health,
    clock: VirtualClock,
  ) => Promise<void>,
): Promise<void> {
  const clock = new VirtualClock();
  const health = new Health();
  const api = new ApiHealth({
    clock,
    health,
    utcNow: () => new Date(clock.now()).toISOString(),
  });
  const stop = new AbortController();
  const running = api.run(stop.signal);
  await body(api, health, clock);
  stop.abort();
  await running;
  assert.equal(clock.sleepers, 0, "no timer stays behind");
}

Deno.test("before the first list trouble is told at once, and since when", async () => {
  await withBench(async (api, health, clock) => {
    await clock.advance(1_000);
    const since = new Date(clock.now()).toISOString();
    api.report({ synced: false, lastError: AWAY });
    assert.equal(health.sentences()[0], `${AWAY.text} (since ${since})`);
    await clock.advance(60_000);
    api.report({ synced: false, lastError: DENIED });
    assert.equal(health.sentences()[0], `${DENIED.text} (since ${since})`);
    api.report({ synced: true, lastError: undefined });
    assert(health.stands("nodes"));
    await clock.advance(1);
  });
});

Deno.test("after it, only trouble that lasts is told", async () => {
  await withBench(async (api, health, clock) => {
    api.report({ synced: true, lastError: undefined });
    api.report({ synced: true, lastError: AWAY });
    await clock.advance(TROUBLE_MS - 100);
    assert(health.stands("nodes"), "an API server that is started anew");
    api.report({ synced: true, lastError: undefined });
    await clock.advance(TROUBLE_MS);
    assert(health.stands("nodes"));
    api.report({ synced: true, lastError: AWAY });
    await clock.advance(TROUBLE_MS / 2);
    api.report({ synced: true, lastError: DENIED });
    await clock.advance(TROUBLE_MS / 2 + 1);
    assert.match(health.sentences()[0] ?? "", /^Cannot watch Nodes: 403/);
    api.report({ synced: true, lastError: undefined });
    assert(health.stands("nodes"), "and it is over at once");
    await clock.advance(1);
  });
});
