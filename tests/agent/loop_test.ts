import assert from "node:assert/strict";
import { Bell } from "../../mod/agent/bell.ts";
import { Health } from "../../mod/agent/health.ts";
import { FULL_TURN_MS, reconcileLoop, RING } from "../../mod/agent/loop.ts";
import type { Report } from "../../mod/agent/report.ts";
import { ERRNO, FatalError } from "../../mod/core/errors.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { type Bench, CONFIG, keyOf, listed, makeBench, node } from "./bench.ts";

interface Running {
  readonly bench: Bench;
  readonly clock: VirtualClock;
  readonly bell: Bell;
  readonly health: Health;
  readonly reports: Report[];
  end(): Promise<void>;
  readonly loop: Promise<void>;
}

async function start(
  prepare: (bench: Bench) => void = () => {},
): Promise<Running> {
  const bench = await makeBench();
  prepare(bench);
  const clock = new VirtualClock();
  const bell = new Bell();
  const health = new Health();
  const stop = new AbortController();
  const reports: Report[] = [];
  const loop = reconcileLoop({
    bell,
    clock,
    health,
    log: bench.log,
    nodes: bench.nodes,
    reconciler: bench.reconciler,
    afterTurn: (report) => reports.push(report),
  }, stop.signal);
  let over = false;
  loop.catch(() => over = true); // looked at by end(), or by the test
  // Keys are derived on another thread, in real time.
  await until(() => over || reports.length > 0);
  return {
    bench,
    clock,
    bell,
    health,
    reports,
    loop,
    end: async () => {
      stop.abort();
      await loop;
      assert.equal(clock.sleepers, 0, "no timer stays behind");
    },
  };
}

async function until(holds: () => boolean): Promise<void> {
  for (let round = 0; !holds(); round++) {
    assert(round < 1_000, "it did not come true within a second");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Rings as the agent does it, then lets 100 ms pass. */
async function ring({ bell, clock }: Running, why: string): Promise<void> {
  bell.ring(why);
  await clock.advance(100);
}

Deno.test("the loop reads the kernel in full at least every 30 seconds", async () => {
  const running = await start();
  await running.clock.advance(100);
  listed(running.bench, 4);
  await ring(running, RING.node);
  running.reports.length = 0;
  await running.clock.advance(10 * FULL_TURN_MS);
  const full = running.reports.filter(({ scope }) => scope === "full").length;
  assert(full >= 10 && full <= 12, `${full} full turns in 300 s`);
  running.bench.kernel.hand.removePeer(CONFIG.interface, keyOf(2));
  await running.clock.advance(FULL_TURN_MS);
  const { peers } = await running.bench.kernel.wireguard.read(CONFIG.interface);
  assert.equal(peers.size, 3);
  await running.end();
});

Deno.test("events that come together are one turn", async () => {
  const running = await start();
  listed(running.bench, 4);
  await ring(running, RING.node);
  running.reports.length = 0;
  for (let number = 5; number < 25; number++) {
    running.bench.nodes.upsert(node(number));
    running.bell.ring(RING.node);
  }
  await running.clock.advance(1_000);
  assert.equal(
    running.reports.filter((report) => report.applied > 0).length,
    1,
  );
  const { peers } = await running.bench.kernel.wireguard.read(CONFIG.interface);
  assert.equal(peers.size, 23);
  await running.end();
});

Deno.test("a failing kernel is asked again and again, less and less often", async () => {
  const running = await start();
  await running.clock.advance(100);
  running.bench.kernel.inject({
    errno: ERRNO.ENOMEM,
    times: Infinity,
    on: ({ kind }) => kind === "read",
  });
  listed(running.bench, 3);
  running.reports.length = 0;
  await ring(running, RING.node);
  await running.clock.advance(600_000);
  assert(running.reports.length >= 15 && running.reports.length <= 60);
  assert.equal(running.health.summary().ready, false);
  running.bench.kernel.heal();
  await running.clock.advance(40_000);
  assert(!running.health.sentences().some((text) => text.includes("injected")));
  await running.end();
});

Deno.test("a Node that cannot be used is one log line, not one at each turn", async () => {
  const running = await start();
  listed(running.bench, 3);
  await ring(running, RING.node);
  running.bench.nodes.upsert(node(9, { podCidrs: ["0.0.0.0/0"] }));
  for (let event = 0; event < 5; event++) {
    running.bench.nodes.upsert(
      node(9, { podCidrs: ["0.0.0.0/0"], internalIps: [`192.168.7.${event}`] }),
    );
    await ring(running, RING.node);
  }
  await running.clock.advance(120_000);
  const lines = running.bench.log.messages("warn")
    .filter((line) => line.includes("n9"));
  assert.equal(lines.length, 1, lines.join("\n"));
  running.bench.nodes.upsert(node(9));
  await ring(running, RING.node);
  assert(running.bench.log.messages("info").includes("Node n9 is usable now"));
  await running.end();
});

Deno.test("a foreign link at the start ends the agent, later it is a problem", async () => {
  const running = await start();
  await running.clock.advance(100);
  const { hand } = running.bench.kernel;
  hand.deleteLink(CONFIG.interface);
  hand.addLink(CONFIG.interface, "dummy");
  await ring(running, RING.link);
  assert.match(running.health.sentences().join(), /dummy/);
  hand.deleteLink(CONFIG.interface);
  await ring(running, RING.link);
  await until(() =>
    !running.health.sentences().some((text) => text.includes("dummy"))
  );
  await running.end();

  const second = await start(({ kernel }) =>
    kernel.hand.addLink(CONFIG.interface, "dummy")
  );
  await assert.rejects(second.loop, FatalError);
});
