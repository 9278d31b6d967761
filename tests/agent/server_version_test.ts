import assert from "node:assert/strict";
import { Health } from "../../mod/agent/health.ts";
import { checkServerVersion } from "../../mod/agent/server_version.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

interface Bench {
  readonly clock: VirtualClock;
  readonly health: Health;
  readonly asked: () => number;
  answer: string | undefined | Error;
  begin(): void;
  end(): Promise<void>;
}

function start(answer: Bench["answer"]): Bench {
  const clock = new VirtualClock();
  const health = new Health();
  const stop = new AbortController();
  const answers = Promise.withResolvers<void>();
  let asked = 0;
  const bench: Bench = {
    clock,
    health,
    asked: () => asked,
    answer,
    begin: () => answers.resolve(),
    async end(): Promise<void> {
      stop.abort();
      await running;
      assert.equal(clock.sleepers, 0, "no timer stays behind");
    },
  };
  const api = {
    server: "https://a:6443",
    serverVersion(): Promise<string | undefined> {
      asked++;
      return bench.answer instanceof Error
        ? Promise.reject(bench.answer)
        : Promise.resolve(bench.answer);
    },
  };
  const running = checkServerVersion(
    { answers: answers.promise, api, clock, health },
    stop.signal,
  );
  return bench;
}

Deno.test("the version is asked once, and not before the server has answered", async () => {
  const bench = start("v1.36.3");
  await bench.clock.advance(60_000);
  assert.equal(bench.asked(), 0);
  assert.equal(bench.health.stands("version"), false);
  bench.begin();
  await bench.clock.advance(3_600_000);
  assert.equal(bench.asked(), 1);
  assert.equal(bench.health.stands("version"), true);
  await bench.end();
});

Deno.test("a version that nobody may ask for, or that cannot be read, is passed over", async () => {
  for (const answer of [new Error("403"), undefined, "strange"]) {
    const bench = start(answer);
    bench.begin();
    await bench.clock.advance(10);
    assert.equal(bench.health.stands("version"), true);
    await bench.end();
  }
});

Deno.test("a server that is too old is told, until it has been upgraded", async () => {
  const bench = start("v1.28.0");
  bench.begin();
  await bench.clock.advance(10);
  assert.match(
    bench.health.sentences()[0] ?? "",
    /^The API server https:\/\/a:6443 is v1\.28\.0, and clusternet supports v1\.30/,
  );
  bench.answer = "v1.30.0";
  await bench.clock.advance(301_000);
  assert.equal(bench.health.stands("version"), true);
  assert.equal(bench.asked(), 2);
  await bench.end();
});
