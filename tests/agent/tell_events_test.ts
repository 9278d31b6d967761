/**
 * The task that writes Events, on an API that behaves as kube-apiserver does.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Bell } from "../../mod/agent/bell.ts";
import { Health } from "../../mod/agent/health.ts";
import { NodeTroubles, TRAFFIC_MS } from "../../mod/agent/node_troubles.ts";
import { type EventApi, tellEvents } from "../../mod/agent/tell_events.ts";
import type { Json } from "../../mod/core/json_patch.ts";
import { AGAIN_MS, LASTS_MS } from "../../mod/core/troubles.ts";
import { NO_TRAFFIC, type PeerTraffic } from "../../mod/core/traffic.ts";
import type { PublicKey } from "../../mod/core/key.ts";
import type { Problem } from "../../mod/core/problem.ts";
import { systemClock } from "../../mod/sys/clock.ts";
import { KubeClient } from "../../mod/sys/kube_client.ts";
import { NO_CREDENTIALS, refreshing } from "../../mod/sys/kube_access.ts";
import { ApiServer } from "../fakes/api_server.ts";
import { ApiStatus, forbidden } from "../fakes/api_status.ts";
import { type JsonObject } from "../fakes/api_store.ts";
import { EventStore } from "../fakes/api_events.ts";
import { MemoryLog } from "../support/logs.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { CONFIG, keyOf, listed, makeBench, node } from "./bench.ts";

const HOUR_MS = 3_600_000;
const BUSY: Problem = {
  reason: "ListenPortInUse",
  text: "Cannot set port: EADDRINUSE; another program holds the UDP port",
};
const BARE: Problem = {
  reason: "NoPodCIDRs",
  text: "Own Node n1 has no podCIDRs: run kube-controller-manager",
};

class Bench implements EventApi {
  readonly clock = new VirtualClock();
  readonly bell = new Bell();
  readonly log = new MemoryLog();
  readonly health = new Health(() => this.bell.ring("health"));
  readonly store: EventStore;
  readonly stop = new AbortController();
  readonly traffic = new Map<PublicKey, PeerTraffic>();
  readonly #nodes;
  #uid = "u1";
  #task: Promise<void> | undefined;

  constructor(nodes: Awaited<ReturnType<typeof makeBench>>, store: EventStore) {
    this.#nodes = nodes;
    this.store = store;
  }

  static async start(store = new EventStore()): Promise<Bench> {
    const inner = await makeBench();
    listed(inner, 4);
    const bench = new Bench(inner, store);
    const troubles = new NodeTroubles({
      clock: bench.clock,
      config: CONFIG,
      health: bench.health,
      nodes: inner.nodes,
      wallClock: () => bench.wallClock(),
      wireGuard: { traffic: () => Promise.resolve(bench.traffic) },
    });
    bench.#task = tellEvents({
      api: bench,
      bell: bench.bell,
      clock: bench.clock,
      log: bench.log,
      self: () => ({ name: "n1", uid: bench.#uid }),
      troubles: () => troubles.all(),
      wallClock: () => bench.wallClock(),
    }, bench.stop.signal);
    for (const source of ["kernel", "nodes", "key", "version"] as const) {
      bench.health.report(source, []);
    }
    return bench;
  }

  get nodes(): Awaited<ReturnType<typeof makeBench>>["nodes"] {
    return this.#nodes.nodes;
  }

  wallClock(): number {
    return Date.UTC(2026, 0, 1) + this.clock.now();
  }

  async end(): Promise<void> {
    this.stop.abort();
    await this.#task;
    assert.equal(this.clock.sleepers, 0, "no timer stays behind");
  }

  /** "Warning NoPodCIDRs x2", in the order of their making. */
  told(): readonly string[] {
    return [...this.store.events.values()].map((event) => {
      const series = event.series as JsonObject | undefined;
      const times = series === undefined ? "" : ` x${series.count}`;
      return `${event.type} ${event.reason}${times}`;
    });
  }

  createEvent(event: Json): Promise<"made" | "there"> {
    return answered(() => {
      try {
        this.store.create(event);
        return "made" as const;
      } catch (error) {
        if (error instanceof ApiStatus && error.code === 409) return "there";
        throw error;
      }
    });
  }

  patchEvent(name: string, patch: Json): Promise<number | undefined> {
    return answered(() => {
      const { series } = this.store.patch(name, patch);
      return Number((series as JsonObject | undefined)?.count ?? 1);
    });
  }
}

function answered<T>(act: () => T): Promise<T> {
  try {
    return Promise.resolve(act());
  } catch (error) {
    const { code, message } = error as ApiStatus;
    return Promise.reject(
      Object.assign(new Error(message), { status: { code } }),
    );
  }
}

Deno.test("a trouble becomes an Event whose series grows while it lasts, and a return to well one of its own", async () => {
  const bench = await Bench.start();
  await bench.clock.advance(HOUR_MS);
  assert.deepEqual(
    bench.store.writes,
    [],
    "nothing is written while all is well",
  );
  bench.health.report("kernel", [BUSY]);
  await bench.clock.advance(2 * LASTS_MS + 1);
  assert.deepEqual(bench.told(), ["Warning ListenPortInUse"]);
  const [event] = bench.store.events.values();
  assert.equal(event?.note, BUSY.text);
  await bench.clock.advance(2 * AGAIN_MS + 1);
  assert.deepEqual(bench.told(), ["Warning ListenPortInUse x3"]);
  bench.health.report("kernel", []);
  await bench.clock.advance(LASTS_MS + 1);
  assert.deepEqual(bench.told(), [
    "Warning ListenPortInUse x3",
    "Normal ClusternetIsUp",
  ]);
  const { length } = bench.store.writes;
  await bench.clock.advance(HOUR_MS);
  assert.equal(bench.store.writes.length, length, "then it rests");
  await bench.end();
});

Deno.test("an agent that is started anew goes on with the series that is there", async () => {
  const store = new EventStore();
  for (const expected of ["", " x2", " x3"]) {
    const bench = await Bench.start(store);
    bench.health.report("kernel", [BARE]);
    await bench.clock.advance(2 * LASTS_MS + 1);
    assert.deepEqual(bench.told(), [`Warning NoPodCIDRs${expected}`]);
    await bench.end();
  }
});

Deno.test("an Event that the API server has forgotten is made anew", async () => {
  const bench = await Bench.start();
  bench.health.report("kernel", [BARE]);
  await bench.clock.advance(2 * LASTS_MS + 1);
  bench.store.events.clear();
  await bench.clock.advance(AGAIN_MS + 1);
  assert.deepEqual(bench.told(), ["Warning NoPodCIDRs"]);
  await bench.end();
});

Deno.test("another Node that claims our key or podCIDR is told, one that robs a third is not", async () => {
  const bench = await Bench.start();
  bench.nodes.upsert(node(3, { podCidrs: ["10.0.2.0/24"] }));
  await bench.clock.advance(5 * 60_000);
  assert.deepEqual(bench.told(), []);
  bench.nodes.upsert(node(4, { podCidrs: ["10.0.1.0/24"] }));
  const { publicKey } = bench.nodes.self() ?? {};
  bench.nodes.upsert(node(2, { publicKey }));
  await bench.clock.advance(5 * 60_000);
  assert.deepEqual([...bench.told()].sort(), [
    "Warning DuplicateKey",
    "Warning DuplicatePodCIDR",
  ]);
  const notes = [...bench.store.events.values()].map(({ note }) =>
    String(note)
  );
  assert(notes.some((note) => /n2 .*this node's own public key/.test(note)));
  assert(notes.some((note) => /n4 .*overlaps this node's own 10/.test(note)));
  await bench.end();
});

Deno.test("peers that do not answer are told by name, and that they are back", async () => {
  const bench = await Bench.start();
  for (let sentBytes = 1_000; sentBytes < 5_000; sentBytes += 1_000) {
    bench.traffic.set(keyOf(2), { ...NO_TRAFFIC, sentBytes });
    await bench.clock.advance(TRAFFIC_MS);
  }
  assert.deepEqual(bench.told(), ["Warning PeersDown"]);
  const [event] = bench.store.events.values();
  assert.match(String(event?.note), /no answer from the Nodes n2: .*UDP 7838/);
  const lastHandshakeMs = bench.wallClock();
  bench.traffic.set(keyOf(2), { ...NO_TRAFFIC, sentBytes: 9, lastHandshakeMs });
  await bench.clock.advance(2 * TRAFFIC_MS);
  assert.equal(bench.told().at(-1), "Normal ClusternetIsUp");
  await bench.end();
});

Deno.test("a right that is missing costs one line and a request in an hour", async () => {
  const bench = await Bench.start();
  bench.store.failure = forbidden("agent", "create", "events");
  bench.health.report("kernel", [BARE]);
  await bench.clock.advance(24 * HOUR_MS);
  assert(bench.store.writes.length <= 25, `${bench.store.writes.length}`);
  assert.equal(bench.log.messages().length, 1);
  assert.match(bench.log.messages()[0] ?? "", /goes on without Events\)$/);
  bench.store.failure = undefined;
  await bench.clock.advance(HOUR_MS);
  assert.match(bench.told().join(), /^Warning NoPodCIDRs/, "granted later on");
  await bench.end();
});

Deno.test("an API server that is away is nothing that an Event is tried for", async () => {
  const bench = await Bench.start();
  bench.store.failure = new ApiStatus(503, "ServiceUnavailable", "away");
  bench.health.report("nodes", [{
    reason: "APIServerUnreachable",
    text:
      "Cannot reach the API server https://192.0.2.1 (x): connection refused",
  }]);
  await bench.clock.advance(24 * HOUR_MS);
  assert.deepEqual(bench.store.writes, []);
  assert.deepEqual(bench.log.messages(), []);
  await bench.end();
});

Deno.test("KubeClient writes Events over HTTP: new, there already, once more, and forgotten", async () => {
  await using server = ApiServer.start();
  const access = refreshing({
    server: server.url,
    proxyUrl: undefined,
    serverFrom: "the test",
    source: "the test",
    now: () => systemClock.now(),
    read: () => Promise.resolve(NO_CREDENTIALS),
  });
  const client = new KubeClient(access, {
    clock: systemClock,
    annotation: CONFIG.annotation,
  });
  const { signal } = new AbortController();
  const { eventObject, eventName, seriesPatch } = await import(
    "../../mod/core/event.ts"
  );
  const node = { name: "n1", uid: "u1" };
  const told = {
    type: "Warning",
    reason: "NoPodCIDRs",
    note: BARE.text,
  } as const;
  const event = eventObject(node, told, Date.now());
  const name = eventName(node, told);
  try {
    assert.equal(await client.patchEvent(name, {}, signal), undefined);
    assert.equal(await client.createEvent(event, signal), "made");
    assert.equal(await client.createEvent(event, signal), "there");
    assert.equal(await client.patchEvent(name, {}, signal), 1);
    const patch = seriesPatch(2, Date.now());
    assert.equal(await client.patchEvent(name, patch, signal), 2);
    assert.equal(await client.patchEvent(name, {}, signal), 2);
    server.denied = ["create events"];
    await assert.rejects(
      client.createEvent(event, signal),
      /^ApiError: Cannot write an Event: 403 Forbidden: .*bind it to the Role clusternet of the namespace default/,
    );
  } finally {
    client.close();
  }
});
