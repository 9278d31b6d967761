/**
 * Long work is seen to go on, quick work says nothing of it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { counted, Progress, PROGRESS_MS } from "../../mod/core/progress.ts";
import { Reflector } from "../../mod/sys/reflector.ts";
import type { WatchEvent } from "../../mod/wire/node_json.ts";
import { ApiError } from "../../mod/sys/kube_error.ts";
import { FakeLister, FakeSink, FakeWatch } from "../fakes/node_lister.ts";
import { MemoryLog } from "../support/logs.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { makeBench, node } from "./bench.ts";

Deno.test("Progress says how far it is every few seconds, and nothing at the end", async () => {
  const [clock, log] = [new VirtualClock(), new MemoryLog()];
  const progress = new Progress({
    clock,
    log,
    what: "Applying 5,000 peers",
    total: 5_000,
  });
  for (let done = 100; done <= 5_000; done += 100) {
    await clock.advance(PROGRESS_MS / 12);
    progress.at(done);
  }
  assert.deepEqual(log.messages(), [
    "Applying 5,000 peers: 1,200 done",
    "Applying 5,000 peers: 2,400 done",
    "Applying 5,000 peers: 3,600 done",
    "Applying 5,000 peers: 4,800 done",
  ]);
  assert.deepEqual(log.lines[0]?.fields, {
    event: "progress",
    done: 1_200,
    total: 5_000,
  });
});

Deno.test("a device that takes its time over many peers is seen to go on; a quick one is one line", async () => {
  for (const slow of [true, false]) {
    const bench = await makeBench();
    bench.nodes.replace(
      Array.from({ length: 1_600 }, (_, at) =>
        node(at + 1, {
          ...(at === 0 ? { publicKey: bench.publicKey } : {}),
          podCidrs: [`10.0.${at >> 4}.${(at & 15) * 16}/28`],
        })),
    );
    const { wireguard } = bench.kernel;
    const change = wireguard.changePeers.bind(wireguard);
    wireguard.changePeers = async (link, changes) => {
      await change(link, changes);
      if (slow) await bench.clock.advance(PROGRESS_MS);
    };
    const { problems } = await bench.reconciler.turn("full");
    assert.deepEqual(problems, []);
    const lines = bench.log.messages("info").filter((line) =>
      / peers/.test(line)
    );
    assert.deepEqual(lines, [
      ...slow
        ? [500, 1_000, 1_500].map((done) =>
          `Applying 1,599 peers: ${counted(done)} done`
        )
        : [],
      "Changed 1,599 peers",
    ]);
  }
});

Deno.test("a list of Nodes that comes slowly is seen to go on, in a stream and in pages", async () => {
  for (const streamed of [true, false]) {
    const [time, log] = [new VirtualClock(), new MemoryLog()];
    // What a request takes is no sleep of the reflector's.
    let taken = 0;
    const clock = {
      now: () => time.now() + taken,
      sleep: time.sleep.bind(time),
      random: () => 0.5,
    };
    const lister = new FakeLister();
    const watch = new FakeWatch();
    const refusal = new ApiError(
      { what: "watch Nodes", grant: "" },
      {
        code: 400,
        reason: "",
        message: "",
        retryAfterSeconds: undefined,
        causes: [],
      },
    );
    lister.onWatch(streamed ? watch : refusal);
    const nodes = Array.from({ length: 1_500 }, (_, at) => node(at + 1));
    const [read, listPage] = [
      watch.read.bind(watch),
      lister.listPage.bind(lister),
    ];
    let at = 0;
    watch.read = async () => {
      if (at >= nodes.length) return await read();
      taken += PROGRESS_MS;
      return nodes.slice(at, at += 500)
        .map((node) => ({ kind: "upsert", node }) as WatchEvent);
    };
    lister.listPage = async (query, signal) => {
      taken += PROGRESS_MS;
      const page = nodes.slice(at, at += query.limit);
      const continueToken = at < nodes.length ? "more" : "";
      lister.onList({ nodes: page, resourceVersion: "1", continueToken });
      return await listPage(query, signal);
    };
    const stop = new AbortController();
    const running = new Reflector(lister, new FakeSink(), { clock, log })
      .run(stop.signal);
    await time.advance(60_000);
    stop.abort();
    await running;
    assert.deepEqual(log.messages("info"), [
      "Listing Nodes: 500 done",
      "Listing Nodes: 1,000 done",
      "Listing Nodes: 1,500 done",
    ], streamed ? "in a stream" : "in pages");
  }
});
