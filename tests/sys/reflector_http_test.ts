/**
 * Reflector, client and API server over real HTTP, through what goes wrong in
 * real clusters (the fault matrix's 1–16). Time runs faster where a deadline is
 * awaited.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { NodeRecord } from "../../mod/core/node.ts";
import type { Clock } from "../../mod/core/clock.ts";
import { systemClock } from "../../mod/sys/clock.ts";
import { openKubeAccess } from "../../mod/sys/kube_auth.ts";
import { KubeClient } from "../../mod/sys/kube_client.ts";
import { Reflector } from "../../mod/sys/reflector.ts";
import { createNode, deleteNode, patchNode } from "../fakes/api_nodes.ts";
import { ApiServer, type ApiServerOptions } from "../fakes/api_server.ts";
import { FakeSink } from "../fakes/node_lister.ts";
import { TcpProxy } from "../fakes/tcp_proxy.ts";
import { eventually } from "../support/eventually.ts";
import { MemoryLog } from "../support/logs.ts";
import { scaledClock } from "../support/scaled_clock.ts";
import { tempDir } from "../support/temp_dir.ts";
import { openFiles } from "../support/open_files.ts";

const KEY = "clusternet.dev/wg-pubkey";

interface Bench extends AsyncDisposable {
  readonly server: ApiServer;
  readonly client: KubeClient;
  readonly sink: FakeSink;
  readonly log: MemoryLog;
  readonly reflector: Reflector;
  readonly stop: AbortController;
  readonly done: Promise<void>;
  /** The sink is what the server has. */
  settled(within?: number): Promise<void>;
}

interface BenchOptions extends ApiServerOptions {
  /** Nodes come as JSON; else as protobuf. */
  readonly json: boolean;
  /** Seconds that pass in one. Default 20. */
  readonly speed?: number;
  /** Where the client connects instead. */
  readonly url?: (server: ApiServer) => string;
  readonly kubeconfig?: string;
  /** Before the reflector starts. */
  readonly before?: (server: ApiServer) => void | Promise<void>;
}

async function start(options: BenchOptions): Promise<Bench> {
  const server = ApiServer.start(options);
  await options.before?.(server);
  const clock: Clock = scaledClock(options.speed ?? 20);
  const access = await openKubeAccess({
    kubeconfig: options.kubeconfig,
    server: options.url?.(server) ?? server.url,
    clock,
    env: {},
  });
  const client = new KubeClient(access, {
    clock,
    annotation: KEY,
    json: options.json,
  });
  const sink = new FakeSink();
  const log = new MemoryLog();
  const reflector = new Reflector(client, sink, { clock, log });
  const stop = new AbortController();
  const done = reflector.run(stop.signal);
  const same = (): boolean =>
    texts(server) === [...sink.nodes.values()].map(text).sort().join("\n");
  return {
    server,
    client,
    sink,
    log,
    reflector,
    stop,
    done,
    settled: (within) =>
      eventually(() => reflector.status.synced && same(), {
        what: "the server's Nodes",
        ...within === undefined ? {} : { within },
      }),
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort();
      await done;
      client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

function text(node: NodeRecord): string {
  return `${node.name} ${node.uid} ${node.publicKey ?? ""}`;
}

function texts(server: ApiServer): string {
  const nodes = server.store.list().map((node) => {
    // deno-lint-ignore no-explicit-any
    const { name, uid, annotations } = (node as any).metadata;
    return `${name} ${uid} ${annotations?.[KEY] ?? ""}`;
  });
  return nodes.sort().join("\n");
}

function add(server: ApiServer, ...names: readonly string[]): void {
  for (const name of names) createNode(server.store, { metadata: { name } });
}

function setKey(server: ApiServer, name: string, value: string): void {
  patchNode(server.store, name, {
    body: { metadata: { annotations: { [KEY]: value } } },
    type: "application/merge-patch+json",
    subresource: "status",
  });
}

/** What was asked, in short: "stream", "list", "watch". */
function asked(server: ApiServer): readonly string[] {
  return server.requests.map(({ verb, search }) =>
    search.includes("sendInitialEvents") ? "stream" : verb
  );
}

/** In both encodings. */
function test(name: string, body: (json: boolean) => Promise<void>): void {
  for (const json of [false, true]) {
    const encoding = json ? "JSON" : "protobuf";
    Deno.test(`${name} (${encoding})`, () => body(json));
  }
}

/** A list, in either way. */
function lists(server: ApiServer): number {
  const all = asked(server);
  return all.filter((one) => one === "stream" || one === "list").length;
}

test("Nodes come by a streamed list, and each change after it at once", async (json) => {
  await using bench = await start({
    json,
    before: (server) => add(server, "a", "b"),
  });
  const { server } = bench;
  await bench.settled();
  add(server, "c");
  setKey(server, "a", "K1=");
  deleteNode(server.store, "b", null);
  await bench.settled();
  assert.deepEqual(asked(server), ["stream"]);
  assert.deepEqual(bench.sink.calls, [
    "replace a b",
    "upsert c",
    "upsert a",
    "remove b",
  ]);
});

test("what changes nothing reaches nobody; a change and its way back do", async (json) => {
  await using bench = await start({
    json,
    before: (server) => {
      add(server, "a", "b");
      setKey(server, "a", "K1=");
    },
  });
  await bench.settled();
  const { server, sink } = bench;
  for (let beat = 0; beat < 20; beat++) {
    patchNode(server.store, "a", {
      body: { metadata: { labels: { beat: String(beat) } } },
      type: "application/merge-patch+json",
      subresource: "",
    });
  }
  // In one piece, or in many: each is compared with what the one before has left.
  for (const key of ["K2=", "K1=", "K3=", "K3=", "K1="]) {
    setKey(server, "a", key);
  }
  deleteNode(server.store, "b", null);
  await bench.settled();
  assert.equal(sink.nodes.get("a")?.publicKey, "K1=");
  assert.deepEqual(sink.calls, [
    "replace a b",
    ...Array(4).fill("upsert a"),
    "remove b",
  ]);
  // And across a new watch, and a new list.
  server.watches.end();
  await eventually(() => server.watches.size === 1);
  await server.down();
  add(server, "c");
  server.store.compact();
  server.listen();
  await bench.settled();
  assert.equal(sink.calls.at(-1), "replace a c");
  assert.equal(sink.nodes.get("a")?.publicKey, "K1=");
});

test("a server that changes its encoding changes nothing", async (json) => {
  await using bench = await start({
    json,
    before: (server) => add(server, "a", "b"),
  });
  await bench.settled();
  const { server, sink } = bench;
  for (const protobuf of [false, true, false]) {
    server.protobuf = protobuf;
    server.watches.end();
    await eventually(() => server.watches.size === 1);
    setKey(server, "a", `K${protobuf}=`);
    await bench.settled();
  }
  assert.deepEqual(sink.calls, ["replace a b", ...Array(3).fill("upsert a")]);
});

test("without streamed lists they come in pages", async (json) => {
  const names = Array.from({ length: 1100 }, (_, at) => `n${at}`);
  await using bench = await start({
    json,
    streamedLists: false,
    before: (server) => add(server, ...names),
  });
  await bench.settled();
  const { server } = bench;
  await eventually(() => server.watches.size === 1);
  assert.deepEqual(asked(server), ["stream", "list", "list", "list", "watch"]);
  add(server, "late");
  await bench.settled();
});

test("a list whose pages expire begins again from the first (fault 8)", async (json) => {
  const names = Array.from({ length: 1100 }, (_, at) => `n${at}`);
  await using bench = await start({
    json,
    streamedLists: false,
    before: (server) => {
      add(server, ...names);
      server.faults.add({
        kind: "status",
        code: 410,
        reason: "Expired",
        verbs: ["list"],
        query: "continue=",
      });
    },
  });
  await bench.settled();
  assert.equal(bench.sink.calls.length, 1);
  await eventually(() => bench.server.watches.size === 1);
  assert.deepEqual(
    asked(bench.server),
    ["stream", "list", "list", "list", "list", "list", "watch"],
  );
});

test("a server away at the start is waited for (fault 1)", async (json) => {
  await using bench = await start({ json, before: (server) => server.down() });
  await eventually(() => bench.reflector.status.lastError !== undefined);
  assert.match(
    bench.reflector.status.lastError?.text ?? "",
    /^Cannot reach the API server http:\/\/127\.0\.0\.1:[0-9]+ \(.*\): connection refused$/,
  );
  assert.deepEqual(bench.sink.calls, []);
  add(bench.server, "a");
  bench.server.listen();
  await bench.settled();
  assert.equal(bench.reflector.status.lastError, undefined);
});

test("a server that restarts is watched on from the last version, without a list (faults 2, 4)", async (json) => {
  await using bench = await start({
    json,
    before: (server) => add(server, "a"),
  });
  await bench.settled();
  const { server } = bench;
  await server.down("cut");
  add(server, "b");
  deleteNode(server.store, "a", null);
  await eventually(() => bench.reflector.status.lastError !== undefined);
  server.listen();
  await bench.settled();
  assert.equal(lists(server), 1);
});

test("a server that lags behind takes nobody away (fault 5)", async (json) => {
  await using bench = await start({
    json,
    before: (server) => add(server, "a", "b"),
  });
  await bench.settled();
  const { server } = bench;
  add(server, "c", "d");
  await bench.settled();
  // The next server is behind, and has lost our version besides.
  await server.down();
  add(server, "e");
  server.store.compact();
  server.store.skip(200);
  server.faults.add({ kind: "lag", versions: 100, verbs: ["watch"], times: 3 });
  server.listen();
  await bench.settled();
  assert.deepEqual(asked(server).filter((one) => one !== "watch"), [
    "stream",
    "stream",
    "list",
  ]);
  assert(!bench.sink.calls.some((call) => call.startsWith("remove")));
  for (const call of bench.sink.calls.slice(1)) {
    if (call.startsWith("replace")) assert.match(call, /a b c d/);
  }
});

for (
  const [name, compaction] of [
    ["an ERROR event in a 200 stream (fault 7)", undefined],
    ["a status (fault 6)", { kind: "status", code: 410, reason: "Gone" }],
    ["too large, in the first form (fault 9)", { kind: "too-large", form: 1 }],
    ["too large, in the second form (fault 9)", { kind: "too-large", form: 2 }],
    ["too large, in the third form (fault 9)", { kind: "too-large", form: 3 }],
  ] as const
) {
  test(`a lost history costs one list: ${name}`, async (json) => {
    await using bench = await start({
      json,
      before: (server) => add(server, "a", "b"),
    });
    await bench.settled();
    const { server } = bench;
    const before = server.requests.length;
    if (compaction !== undefined) {
      server.faults.add({ ...compaction, verbs: ["watch"] });
    } else server.faults.add({ kind: "hang", verbs: ["watch"] });
    await server.down();
    deleteNode(server.store, "a", null);
    add(server, "c");
    if (compaction === undefined) {
      server.faults.clear();
      server.store.compact();
    }
    server.listen();
    await bench.settled();
    assert.deepEqual(
      asked(server).slice(before).filter((one) => one !== "watch"),
      ["stream"],
    );
    assert.deepEqual(bench.sink.calls, ["replace a b", "replace b c"]);
  });
}

test("a flow that goes dead is replaced on a new connection within 90 s; a patch is not held up (fault 10)", async (json) => {
  let proxy: TcpProxy | undefined;
  const speed = 50;
  const bench = await start({
    json,
    speed,
    before: (server) => add(server, "a"),
    url: (server) => {
      proxy = new TcpProxy(server.port);
      return proxy.url;
    },
  });
  await using wire = proxy;
  await using _bench = bench;
  assert(wire !== undefined);
  await bench.settled();
  wire.blackhole();
  const dead = performance.now();
  add(bench.server, "b");
  await bench.client.patchNodeStatus("a", [
    { op: "add", path: "/metadata/annotations", value: { [KEY]: "K=" } },
  ], bench.stop.signal);
  assert((performance.now() - dead) * speed < 30_000);
  await bench.settled();
  const seconds = (performance.now() - dead) * speed / 1000;
  assert(seconds > 80 && seconds < 200, `${seconds} s`);
  assert.equal(lists(bench.server), 1);
  assert.equal(bench.reflector.status.lastError, undefined);
});

for (const milliseconds of [0, 50, 300]) {
  test(`watches that end after ${milliseconds / 50} s never cost a list (fault 11)`, async (json) => {
    await using bench = await start({
      json,
      speed: 50,
      before: (server) => {
        add(server, "a");
        server.faults.add({
          kind: "eof",
          milliseconds,
          times: 0,
          after: 1,
          verbs: ["watch"],
        });
      },
    });
    await bench.settled();
    for (let round = 0; round < 12; round++) {
      if (round === 1) bench.server.watches.end();
      add(bench.server, `n${round}`);
      await systemClock.sleep(40);
    }
    await bench.settled(3_000);
    assert.equal(lists(bench.server), 1);
  });
}

test("a watch cut off in mid-line, in mid-character, goes on where it was (fault 12)", async (json) => {
  await using bench = await start({
    json,
    speed: 50,
    before: (server) => add(server, "a"),
  });
  await bench.settled();
  const { server } = bench;
  for (const bytes of [1, 60, 333]) {
    server.faults.add({ kind: "cut", bytes, verbs: ["watch"] });
    server.watches.end();
    await eventually(() => server.watches.size === 1);
    setKey(server, "a", `schlüssel-${bytes}-€-𝔾`.repeat(9));
    add(server, `n${bytes}`);
    await bench.settled();
  }
  assert.equal(lists(server), 1);
});

test("a line without end is given up, and is no reason to forget (fault 12)", async (json) => {
  await using bench = await start({
    json,
    before: (server) => add(server, "a"),
  });
  await bench.settled();
  const { server } = bench;
  server.faults.add({
    kind: "body",
    text: "x".repeat(64 * 1024),
    repeat: 320,
    verbs: ["watch"],
  });
  server.watches.end();
  await eventually(() => bench.reflector.status.lastError !== undefined);
  assert.equal(
    bench.reflector.status.lastError?.text,
    "Cannot read the watch of Nodes: a line of more than 4194304 bytes",
  );
  add(server, "b");
  await bench.settled();
  assert.equal(lists(server), 1);
});

test("429 is waited out as asked, and a storm of 500 ends in the server's state (fault 13)", async (json) => {
  await using bench = await start({
    json,
    speed: 50,
    before: (server) => add(server, "a"),
  });
  await bench.settled();
  const { server } = bench;
  server.faults.add({
    kind: "status",
    code: 429,
    reason: "TooManyRequests",
    retryAfter: 12,
  });
  const from = server.requests.length;
  server.watches.end();
  await eventually(() => server.requests.length === from + 2);
  const [first, second] = server.requests.slice(from);
  const waited = ((second?.at ?? 0) - (first?.at ?? 0)) * 50 / 1000;
  assert(waited >= 12 && waited < 60, `${waited} s`);
  assert.equal(lists(server), 1);
  server.faults.add({ kind: "status", code: 500, times: 5 });
  server.watches.end();
  add(server, "b");
  await bench.settled(20_000);
});

test("a token that was rotated is taken up, without a restart (fault 14)", async (json) => {
  await using dir = await tempDir();
  const kubeconfig = `${dir.path}/config`;
  await Deno.writeTextFile(`${dir.path}/token`, "one");
  await Deno.writeTextFile(
    kubeconfig,
    JSON.stringify({
      "current-context": "x",
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      clusters: [{ name: "c", cluster: { server: "http://127.0.0.1:1" } }],
      users: [{ name: "u", user: { tokenFile: "token" } }],
    }),
  );
  await using bench = await start({
    json,
    kubeconfig,
    tokens: new Map([["one", "agent"]]),
    before: (server) => add(server, "a"),
  });
  await bench.settled();
  const { server } = bench;
  server.tokens = new Map([["two", "agent"]]);
  server.watches.end();
  await eventually(() => bench.reflector.status.lastError !== undefined);
  assert.match(
    bench.reflector.status.lastError?.text ?? "",
    /^Cannot watch Nodes: 401 Unauthorized/,
  );
  add(server, "b");
  await Deno.writeTextFile(`${dir.path}/token`, "two");
  await bench.settled();
  assert.equal(lists(server), 1);
  assert.equal(bench.reflector.status.lastError, undefined);
});

test("403 keeps what is there and says what to grant (fault 16)", async (json) => {
  await using bench = await start({
    json,
    before: (server) => add(server, "a"),
  });
  await bench.settled();
  const { server } = bench;
  server.denied = ["watch nodes"];
  server.watches.end();
  await eventually(() => bench.reflector.status.lastError !== undefined);
  assert.match(
    bench.reflector.status.lastError?.text ?? "",
    /^Cannot watch Nodes: 403 Forbidden: .*; grant nodes list,watch: bind it to the ClusterRole clusternet \(/,
  );
  add(server, "b");
  server.denied = [];
  await bench.settled();
  assert.deepEqual(bench.sink.calls, ["replace a", "upsert b"]);
  assert.equal(lists(server), 1);
});

test("an answer that never comes, and a stream that never speaks, are given up (fault 3)", async (json) => {
  await using bench = await start({
    json,
    speed: 100,
    before: (server) => {
      add(server, "a");
      server.faults.add(
        { kind: "hang", verbs: ["watch"] },
        { kind: "silence", verbs: ["watch"] },
      );
    },
  });
  await bench.settled(10_000);
  const messages = bench.log.messages("warn").join("\n");
  assert.match(messages, /no answer within 30 s/);
  assert.match(messages, /nothing came for 90 s/);
});

test("hostile Nodes pass through as records, and cost nobody else (fault 17)", async (json) => {
  await using bench = await start({
    json,
    before: (server) => add(server, "a"),
  });
  await bench.settled();
  const { server } = bench;
  const rows: readonly (readonly [string, unknown])[] = [
    ["none", {}],
    ["wrong", { metadata: 7, spec: "x", status: [] }],
    ["quote", { metadata: { name: 'q"', annotations: null } }],
    ["many", {
      metadata: { name: "many" },
      spec: { podCIDRs: Array(10_000).fill("10.0.0.0/8") },
    }],
    [
      "proto",
      JSON.parse(
        '{"metadata": {"name": "proto", "__proto__": {"uid": 1}}, "__proto__": 7}',
      ),
    ],
  ];
  for (const [name, body] of rows) {
    const answer = await fetch(`${server.url}/fake/nodes/${name}`, {
      method: "PUT",
      body: JSON.stringify(body),
    });
    assert.equal(answer.status, 204);
  }
  add(server, "z");
  await eventually(() => bench.sink.nodes.has("z"));
  assert.deepEqual([...bench.sink.nodes.keys()].sort(), [
    "a",
    "many",
    "proto",
    'q"',
    "z",
  ]);
  assert.equal(lists(server), 1);
  server.watches.end("cut");
  server.store.compact();
  add(server, "zz");
  await eventually(() => bench.sink.nodes.has("zz"));
});

test("stopping takes less than a second, whatever is under way", async (json) => {
  for (
    const before of [
      (server: ApiServer): void => add(server, "a"),
      (server: ApiServer): void => server.faults.add({ kind: "hang" }),
      (server: ApiServer): void =>
        server.faults.add({ kind: "silence", verbs: ["watch"] }),
      (server: ApiServer): void =>
        server.faults.add({ kind: "status", code: 500, times: 0 }),
      (server: ApiServer): Promise<void> => server.down(),
    ]
  ) {
    await using bench = await start({ json, speed: 1, before });
    await systemClock.sleep(60);
    const begin = performance.now();
    bench.stop.abort();
    await bench.done;
    assert(performance.now() - begin < 900);
  }
});

test("hundreds of reconnects leave nothing open", async (json) => {
  await using bench = await start({
    json,
    speed: 2_000,
    before: (server) => add(server, "a"),
  });
  await bench.settled();
  const { server } = bench;
  const before = openFiles();
  for (let round = 0; round < 200; round++) {
    server.watches.end(round % 2 === 0 ? "eof" : "cut");
    await eventually(() => server.watches.size === 1);
  }
  // Other test files run in this process meanwhile, and open a few of their own.
  const more = openFiles() - before;
  assert(more < 100, `${more} more descriptors after 200 reconnects`);
  assert.equal(lists(server), 1);
});
