/**
 * The reflector without HTTP, in virtual time. The cases of client-go's
 * `tools/cache/reflector_test.go` and `reflector_watchlist_test.go` (v0.36), by name:
 *
 * | case | here |
 * | --- | --- |
 * | TestCloseWatchChannelOnError | ported |
 * | TestRunUntil | ported |
 * | TestReflectorWatchStoppedBefore, …After | ported |
 * | TestReflectorHandleWatchStoppedBefore, …After | ported |
 * | TestReflectorHandleWatchResultChanClosedBefore, …After | ported |
 * | TestReflectorWatchHandler | ported |
 * | TestReflectorStopWatch | ported |
 * | TestReflectorListAndWatch | ported, with and without streamed lists |
 * | TestReflectorListAndWatchWithErrors | ported |
 * | TestReflectorListAndWatchInitConnBackoff | ported: other numbers, the same shape |
 * | TestBackoffOnTooManyRequests, TestNoRelistOnTooManyRequests | ported |
 * | TestRetryInternalError | ported: here three refusals in a row, not a span of time |
 * | TestReflectorWatchListPageSize | ported |
 * | TestReflectorExpiredExactResourceVersion | ported |
 * | TestReflectorFullListIfExpired, …IfTooLarge | ported: here every list is a full one |
 * | TestWatchTimeout | ported |
 * | TestReflectorResourceVersionUpdate | ported |
 * | TestReflectorReplacesStoreOnUnsafeDelete | ported |
 * | TestIsUnsupportedTableObject | ported (`node_json_test.ts` has the list) |
 * | TestInitialEventsEndBookmarkTicker | ported: here silence ends the stream, there it is logged |
 * | TestWatchListResourceVersion | ported |
 * | TestWatchList, eleven rows | ported |
 * | TestReflectorListExtract | `node_json_test.ts`: decodeNodePage() |
 * | TestReflectorResync, TestReflectorResyncChan | not here: no resync; the agent reads the kernel again instead |
 * | TestReflectorNotPaginatingNotConsistentReads, TestReflectorPaginatingNonConsistentReadsIfWatchCacheDisabled, TestReflectorResyncWithResourceVersion | not here: a list never asks for version "0" or an older one |
 * | TestNewReflectorWithCustomBackoff, TestNewReflectorWithDisablementWatchList | not here: neither is an option |
 * | TestGetTypeDescriptionFromObject, TestGetExpectedGVKFromObject, TestReflectorRespectStoreTransformer | not here: one type, decoded to records at the edge |
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Clock } from "../../mod/core/clock.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import { ApiError, NetworkError } from "../../mod/sys/kube_error.ts";
import { Reflector, type ReflectorStatus } from "../../mod/sys/reflector.ts";
import type { NodePage, WatchEvent } from "../../mod/wire/node_json.ts";
import type { Status } from "../../mod/wire/status_json.ts";
import { FakeLister, FakeSink, FakeWatch } from "../fakes/node_lister.ts";
import { MemoryLog } from "../support/logs.ts";
import { Random } from "../support/random.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";

function node(name: string, more: Partial<NodeRecord> = {}): NodeRecord {
  return {
    name,
    uid: `uid-${name}`,
    created: "2025-01-01T00:00:00Z",
    publicKey: undefined,
    internalIps: [],
    podCidrs: [],
    ...more,
  };
}

function upsert(
  name: string,
  resourceVersion: string | undefined,
  more: Partial<NodeRecord> = {},
): WatchEvent {
  return { kind: "upsert", node: node(name, more), resourceVersion };
}

function remove(name: string, resourceVersion: string): WatchEvent {
  return { kind: "remove", name, resourceVersion };
}

function bookmark(resourceVersion: string, initialEnd = false): WatchEvent {
  return { kind: "bookmark", resourceVersion, initialEnd };
}

function status(code: number, more: Partial<Status> = {}): Status {
  return {
    code,
    reason: "",
    message: "",
    retryAfterSeconds: undefined,
    causes: [],
    ...more,
  };
}

function failure(code: number, more: Partial<Status> = {}): ApiError {
  return new ApiError(
    { what: "watch Nodes", grant: "nodes list,watch" },
    status(code, more),
  );
}

function errorEvent(code: number, more: Partial<Status> = {}): WatchEvent {
  return { kind: "error", status: status(code, more) };
}

function page(
  names: readonly string[],
  resourceVersion: string,
  continueToken = "",
): NodePage {
  return {
    nodes: names.map((name) => node(name)),
    resourceVersion,
    continueToken,
  };
}

const REFUSED = new NetworkError(
  "Cannot reach the API server: connection refused",
);
const NO_STREAMS = failure(422, { reason: "Invalid" });

interface Bench extends AsyncDisposable {
  readonly api: FakeLister;
  readonly sink: FakeSink;
  readonly clock: VirtualClock;
  readonly statuses: ReflectorStatus[];
  readonly reflector: Reflector;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

function start(
  api: FakeLister,
  random?: () => number,
  { virtual = new VirtualClock() } = {},
): Bench {
  const sink = new FakeSink();
  const clock: Clock = {
    now: () => virtual.now(),
    sleep: (milliseconds, signal) => virtual.sleep(milliseconds, signal),
    random: random ?? (() => virtual.random()),
  };
  const statuses: ReflectorStatus[] = [];
  const reflector = new Reflector(api, sink, {
    clock,
    log: new MemoryLog(),
    onStatus: (one) => void statuses.push(one),
  });
  const stop = new AbortController();
  const done = reflector.run(stop.signal);
  return {
    api,
    sink,
    clock: virtual,
    statuses,
    reflector,
    stop,
    done,
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort();
      await done;
    },
  };
}

/** A streamed list of these Nodes, still open as a watch. */
function streamed(names: readonly string[], version: string): FakeWatch {
  const events = names.map((name) => upsert(name, version));
  return new FakeWatch().send(...events, bookmark(version, true));
}

function versions(api: FakeLister): readonly string[] {
  return api.asked.map((asked) =>
    asked.kind === "list"
      ? "list"
      : asked.query.initialEvents
      ? `stream "${asked.query.resourceVersion}"`
      : `watch ${asked.query.resourceVersion}`
  );
}

Deno.test("TestCloseWatchChannelOnError: an ERROR event closes its watch", async () => {
  const first = streamed(["a"], "5").send(errorEvent(500));
  await using bench = start(new FakeLister().onWatch(first));
  await settle();
  assert(first.closed);
  await bench.clock.advance(1_000);
  assert.deepEqual(versions(bench.api), ['stream ""', "watch 5"]);
});

Deno.test("TestRunUntil: stopping ends the watch and the run", async () => {
  const watch = streamed(["a"], "5");
  const bench = start(new FakeLister().onWatch(watch));
  await settle();
  assert(!watch.closed);
  bench.stop.abort();
  await bench.done;
  assert(watch.closed);
  assert.equal(bench.clock.sleepers, 0);
});

Deno.test("TestReflectorWatchStoppedBefore: stopped before, nothing is asked", async () => {
  const api = new FakeLister();
  const reflector = new Reflector(api, new FakeSink(), {
    clock: new VirtualClock(),
    log: new MemoryLog(),
  });
  await reflector.run(AbortSignal.abort());
  assert.deepEqual(api.asked, []);
});

Deno.test("TestReflectorWatchStoppedAfter: stopped while it opens, the watch is closed", async () => {
  const watch = new FakeWatch();
  const api = new FakeLister().onWatch(watch);
  const bench = start(api); // has asked, and has no answer yet
  bench.stop.abort();
  await bench.done;
  assert.equal(api.asked.length, 1);
  assert(watch.closed);
});

Deno.test("TestReflectorHandleWatchStoppedBefore: what came too late is not applied", async () => {
  const watch = streamed(["a"], "5");
  const bench = start(new FakeLister().onWatch(watch));
  bench.stop.abort();
  await bench.done;
  assert.deepEqual(bench.sink.calls, []);
});

Deno.test("TestReflectorHandleWatchStoppedAfter: what came before stays", async () => {
  const watch = streamed(["a"], "5");
  const bench = start(new FakeLister().onWatch(watch));
  await settle();
  bench.stop.abort();
  watch.send(upsert("b", "6"));
  await bench.done;
  assert.deepEqual(bench.sink.calls, ["replace a"]);
});

Deno.test("TestReflectorHandleWatchResultChanClosedBefore: an end without events is resumed with backoff", async () => {
  const ends = Array.from({ length: 50 }, () => new FakeWatch().end());
  await using bench = start(
    new FakeLister().onWatch(streamed([], "5").end(), ...ends),
  );
  await bench.clock.advance(120_000);
  assert.deepEqual(
    new Set(versions(bench.api)),
    new Set(['stream ""', "watch 5"]),
  );
  assert(bench.api.asked.length < 12, `${bench.api.asked.length} requests`);
});

Deno.test("TestReflectorHandleWatchResultChanClosedAfter: an end after events is resumed after them", async () => {
  const first = streamed(["a"], "5").send(upsert("b", "6")).end();
  await using bench = start(new FakeLister().onWatch(first));
  await bench.clock.advance(2_000);
  assert.deepEqual(versions(bench.api), ['stream ""', "watch 6"]);
  assert.deepEqual(bench.sink.calls, ["replace a", "upsert b"]);
});

Deno.test("TestReflectorWatchHandler: events are applied, strange ones passed over", async () => {
  const watch = streamed(["foo", "bar"], "5").send(
    upsert("rejected", "6"),
    remove("foo", "7"),
    upsert("bar", "55", { publicKey: "K=" }),
    upsert("baz", "32"),
    { kind: "unknown", why: "an event of no known type" },
  ).end();
  await using bench = start(new FakeLister().onWatch(watch));
  await bench.clock.advance(2_000);
  assert.deepEqual([...bench.sink.nodes.keys()].sort(), [
    "bar",
    "baz",
    "rejected",
  ]);
  assert.equal(bench.sink.nodes.get("bar")?.publicKey, "K=");
  // The last version told, not the largest: they are opaque.
  assert.equal(versions(bench.api).at(-1), "watch 32");
});

Deno.test("TestReflectorStopWatch: a stop is no error", async () => {
  const bench = start(new FakeLister().onWatch(streamed(["a"], "5")));
  await settle();
  bench.stop.abort();
  await bench.done;
  assert.equal(bench.reflector.status.lastError, undefined);
});

for (const stream of [true, false]) {
  const title = stream ? "streamed" : "in pages";
  Deno.test(`TestReflectorListAndWatch: a list ${title}, then the changes after it`, async () => {
    const live = new FakeWatch();
    const api = new FakeLister();
    if (stream) api.onWatch(streamed(["foo"], "1"));
    else api.onWatch(NO_STREAMS, live).onList(page(["foo"], "1"));
    await using bench = start(api);
    await settle();
    await bench.clock.advance(10);
    const watch = stream ? api.watches[0] : live;
    watch?.send(upsert("bar", "2")).send(
      upsert("baz", "3"),
      remove("foo", "4"),
    );
    await settle();
    assert.deepEqual(bench.sink.calls, [
      "replace foo",
      "upsert bar",
      "upsert baz",
      "remove foo",
    ]);
    assert.deepEqual(
      versions(api),
      stream ? ['stream ""'] : ['stream ""', "list", "watch 1"],
    );
    assert(bench.reflector.status.synced);
  });
}

Deno.test("TestReflectorListAndWatchWithErrors: after each error it ends with what the server has", async () => {
  const api = new FakeLister()
    .onWatch(failure(500), NO_STREAMS)
    .onList(failure(500), page(["foo", "bar"], "3"))
    .onWatch(
      REFUSED,
      new FakeWatch().send(upsert("baz", "4")).end(new NetworkError("reset")),
      new FakeWatch().send(remove("foo", "5")),
    );
  await using bench = start(api);
  await bench.clock.advance(60_000);
  assert.deepEqual([...bench.sink.nodes.keys()].sort(), ["bar", "baz"]);
  assert.deepEqual(versions(api), [
    'stream ""',
    "list",
    'stream ""',
    "list",
    "watch 3",
    "watch 3",
    "watch 4",
  ]);
  assert.equal(bench.reflector.status.lastError, undefined);
});

Deno.test("TestReflectorListAndWatchInitConnBackoff: refused connections come further and further apart", async () => {
  const api = new FakeLister().onWatch(
    ...Array.from({ length: 100 }, () => REFUSED),
  );
  await using bench = start(api);
  const gaps = [750, 1500, 3000, 6000, 12_000, 22_500, 22_500, 22_500];
  for (const [index, gap] of gaps.entries()) {
    await bench.clock.advance(gap - 1);
    assert.equal(api.asked.length, index + 1);
    await bench.clock.advance(1);
    assert.equal(api.asked.length, index + 2);
  }
  assert.equal(api.count("list"), 0);
});

Deno.test("TestBackoffOnTooManyRequests: Retry-After is obeyed", async () => {
  const api = new FakeLister().onWatch(
    failure(429, { retryAfterSeconds: 20 }),
    streamed(["a"], "5").send(errorEvent(429)),
  );
  await using bench = start(api);
  await bench.clock.advance(19_999);
  assert.equal(api.asked.length, 1);
  await bench.clock.advance(1_500);
  assert.deepEqual(bench.sink.calls, ["replace a"]);
  await bench.clock.advance(3_000);
  assert.deepEqual(versions(api), ['stream ""', 'stream ""', "watch 5"]);
});

Deno.test("TestNoRelistOnTooManyRequests: however often", async () => {
  const api = new FakeLister().onWatch(
    streamed(["a"], "5").end(),
    ...Array.from({ length: 20 }, () => failure(429)),
  );
  await using bench = start(api);
  await bench.clock.advance(900_000);
  assert.equal(versions(api).filter((one) => one !== "watch 5").length, 1);
  assert.deepEqual(bench.sink.calls, ["replace a"]);
});

Deno.test("TestRetryInternalError: the watch is tried again twice, then the list", async () => {
  const api = new FakeLister().onWatch(
    streamed(["a"], "5").end(),
    failure(500),
    failure(500),
    failure(500),
    streamed(["b"], "9"),
  );
  await using bench = start(api);
  await bench.clock.advance(60_000);
  assert.deepEqual(versions(api), [
    'stream ""',
    "watch 5",
    "watch 5",
    "watch 5",
    'stream ""',
  ]);
  assert.deepEqual(bench.sink.calls, ["replace a", "replace b"]);
});

Deno.test("TestReflectorWatchListPageSize: pages of 500 are one list", async () => {
  const names = Array.from({ length: 1200 }, (_, at) => `n${at}`);
  const api = new FakeLister().onWatch(NO_STREAMS).onList(
    page(names.slice(0, 500), "7", "C1"),
    page(names.slice(500, 1000), "7", "C2"),
    page(names.slice(1000), "7"),
  );
  await using bench = start(api);
  await settle();
  assert.equal(bench.sink.calls.length, 1);
  assert.equal(bench.sink.nodes.size, 1200);
  const pages = api.asked.filter(({ kind }) => kind === "list");
  assert.deepEqual(pages.map(({ query }) => query), [
    { limit: 500, continueToken: "" },
    { limit: 500, continueToken: "C1" },
    { limit: 500, continueToken: "C2" },
  ]);
});

Deno.test("a list whose pages expire begins again, and is never applied by halves", async () => {
  const api = new FakeLister().onWatch(NO_STREAMS).onList(
    page(["a", "b"], "7", "C1"),
    failure(410, { reason: "Expired" }),
    page(["a", "c"], "9", "C2"),
    page(["d"], "9"),
  );
  await using bench = start(api);
  await settle();
  assert.deepEqual(bench.sink.calls, ["replace a c d"]);
});

const GONE: readonly (readonly [string, WatchEvent | ApiError])[] = [
  ["TestReflectorFullListIfExpired: 410 as an answer", failure(410)],
  [
    "TestReflectorExpiredExactResourceVersion: 410 as an ERROR event",
    errorEvent(410, { reason: "Expired" }),
  ],
  [
    "TestReflectorFullListIfExpired: Gone, as 1.17 said it",
    failure(0, { reason: "Gone" }),
  ],
  [
    "TestReflectorFullListIfTooLarge: by the reason of a cause",
    errorEvent(504, {
      causes: [{ reason: "ResourceVersionTooLarge", message: "" }],
    }),
  ],
  [
    "TestReflectorFullListIfTooLarge: by the message of a cause",
    failure(504, {
      reason: "Timeout",
      causes: [{ reason: "", message: "Too large resource version" }],
    }),
  ],
  [
    "TestReflectorFullListIfTooLarge: by the message alone",
    failure(504, {
      reason: "Timeout",
      message: "Timeout: Too large resource version: 9, current: 1",
    }),
  ],
  [
    "TestReflectorReplacesStoreOnUnsafeDelete: an object that cannot be read any more",
    errorEvent(500, { reason: "StorageReadError" }),
  ],
];

for (const [name, gone] of GONE) {
  Deno.test(`${name}: exactly one list, and nobody is lost meanwhile`, async () => {
    const list = new FakeWatch();
    const api = new FakeLister().onWatch(streamed(["a", "b"], "5").end());
    if (gone instanceof ApiError) api.onWatch(gone);
    else api.onWatch(new FakeWatch().send(gone));
    api.onWatch(list);
    await using bench = start(api);
    await bench.clock.advance(5_000);
    assert.deepEqual(versions(api), ['stream ""', "watch 5", 'stream ""']);
    assert.deepEqual([...bench.sink.nodes.keys()], ["a", "b"]);
    list.send(upsert("a", "9"), bookmark("9", true));
    await bench.clock.advance(5_000);
    assert.deepEqual(bench.sink.calls, ["replace a b", "replace a"]);
    assert.equal(api.asked.length, 3);
    assert.equal(bench.reflector.status.lastError, undefined);
  });
}

Deno.test("TestWatchTimeout: the server is asked to end a watch after 5 to 10 minutes", async () => {
  for (const value of [0, 0.5, 0.999]) {
    await using bench = start(new FakeLister(), () => value);
    await settle();
    const [asked] = bench.api.asked;
    assert(asked?.kind === "watch");
    const { timeoutSeconds } = asked.query;
    assert(timeoutSeconds >= 300 && timeoutSeconds <= 600);
  }
});

Deno.test("TestReflectorResourceVersionUpdate: each kind of event moves the version on", async () => {
  const rows: readonly (readonly [WatchEvent, string])[] = [
    [upsert("a", "10"), "10"],
    [upsert("a", "10", { uid: "other" }), "10"],
    [remove("a", "11"), "11"],
    [bookmark("12"), "12"],
    [upsert("a", undefined), "5"],
  ];
  for (const [event, expected] of rows) {
    const first = streamed(["a"], "5").send(event).end();
    await using bench = start(new FakeLister().onWatch(first));
    await bench.clock.advance(2_000);
    assert.equal(versions(bench.api).at(-1), `watch ${expected}`);
  }
});

Deno.test("TestIsUnsupportedTableObject: an event that is no Node is passed over", async () => {
  const table: WatchEvent = {
    kind: "unknown",
    why: "ADDED of something without a name",
  };
  const watch = streamed(["a"], "5").send(table, upsert("b", "6"));
  await using bench = start(new FakeLister().onWatch(watch));
  await settle();
  assert.deepEqual(bench.sink.calls, ["replace a", "upsert b"]);
});

Deno.test("TestInitialEventsEndBookmarkTicker: a stream that never completes ends, and pages take its place", async () => {
  const api = new FakeLister()
    .onWatch(new FakeWatch().send(upsert("a", "1")), new FakeWatch())
    .onList(page(["a", "b"], "7"));
  await using bench = start(api);
  await bench.clock.advance(89_000);
  assert.equal(api.asked.length, 1);
  await bench.clock.advance(120_000);
  assert.deepEqual(versions(api), [
    'stream ""',
    'stream ""',
    "list",
    "watch 7",
  ]);
  assert.deepEqual(bench.sink.calls, ["replace a b"]);
});

Deno.test("TestWatchListResourceVersion: a version counts once the state is complete", async () => {
  const rows: readonly (readonly [readonly WatchEvent[], string])[] = [
    [[], 'stream ""'],
    [[upsert("p1", "1")], 'stream ""'],
    [[upsert("p1", "1"), bookmark("2")], 'stream ""'],
    [[upsert("p1", "1"), bookmark("2", true)], "watch 2"],
  ];
  for (const [events, expected] of rows) {
    const first = new FakeWatch().send(...events).end();
    await using bench = start(new FakeLister().onWatch(first));
    await bench.clock.advance(2_000);
    assert.equal(versions(bench.api).at(-1), expected);
  }
});

/** TestWatchList: answers, what the sink is told, what was asked. */
const WATCH_LIST: readonly {
  readonly name: string;
  readonly watches: readonly (FakeWatch | Error)[];
  readonly lists?: readonly NodePage[];
  readonly calls: readonly string[];
  readonly asked: readonly string[];
}[] = [
  {
    name:
      "the reflector won't be synced if the bookmark event has been received", // sic
    watches: [new FakeWatch().send(upsert("p1", "1"))],
    calls: [],
    asked: ['stream ""'],
  },
  {
    name:
      "the reflector uses the old LIST/WATCH semantics if the UseWatchList is turned off",
    watches: [NO_STREAMS],
    lists: [page(["p1"], "1")],
    calls: ["replace p1"],
    asked: ['stream ""', "list", "watch 1"],
  },
  {
    name: "returning any other error than apierrors.NewInvalid forces fallback",
    watches: [failure(500), new FakeWatch().send(upsert("p2", "2"))],
    lists: [page(["p1"], "1")],
    calls: ["replace p1", "upsert p2"],
    asked: ['stream ""', "list", "watch 1"],
  },
  {
    name:
      "the reflector can fall back to old LIST/WATCH semantics when a server doesn't support streaming",
    watches: [
      new FakeWatch().send(errorEvent(500)),
      new FakeWatch().send(upsert("p2", "2")),
    ],
    lists: [page(["p1"], "1")],
    calls: ["replace p1", "upsert p2"],
    asked: ['stream ""', "list", "watch 1"],
  },
  {
    name: "prove that the reflector is synced after receiving a bookmark event",
    watches: [streamed(["p1", "p2"], "2")],
    calls: ["replace p1 p2"],
    asked: ['stream ""'],
  },
  {
    name:
      "check if Updates and Deletes events are propagated during streaming (until the bookmark is received)",
    watches: [
      new FakeWatch().send(
        upsert("p1", "1"),
        upsert("p2", "2"),
        upsert("p1", "3", { publicKey: "K=" }),
        upsert("p3", "4"),
        remove("p3", "5"),
        bookmark("5", true),
      ),
    ],
    calls: ["replace p1 p2"],
    asked: ['stream ""'],
  },
  {
    name: "checks if the reflector retries 429",
    watches: [failure(429), streamed(["p1"], "2")],
    calls: ["replace p1"],
    asked: ['stream ""', 'stream ""'],
  },
  {
    name:
      "check if stopping a watcher before sync results in creating a new watch-list request",
    watches: [
      new FakeWatch().send(upsert("p1", "1")).end(),
      streamed(["p1"], "2"),
    ],
    calls: ["replace p1"],
    asked: ['stream ""', 'stream ""'],
  },
  {
    name:
      "stopping a watcher after synchronization results in creating a new watch request",
    watches: [
      streamed(["p1"], "2").end(),
      new FakeWatch().send(upsert("p3", "3")),
    ],
    calls: ["replace p1", "upsert p3"],
    asked: ['stream ""', "watch 2"],
  },
  {
    name:
      "expiring an established watcher results in returning an error from the reflector",
    watches: [
      streamed(["p1"], "2").send(upsert("p3", "3"), errorEvent(410)),
      streamed(["p3"], "5"),
    ],
    calls: ["replace p1", "upsert p3", "replace p3"],
    asked: ['stream ""', 'stream ""'],
  },
  {
    name:
      "prove that the reflector is checking the value of the initialEventsEnd annotation",
    watches: [new FakeWatch().send(upsert("p1", "1"), bookmark("2", false))],
    calls: [],
    asked: ['stream ""'],
  },
];

for (const row of WATCH_LIST) {
  Deno.test(`TestWatchList: ${row.name}`, async () => {
    const api = new FakeLister().onWatch(...row.watches).onList(
      ...row.lists ?? [],
    );
    await using bench = start(api);
    await bench.clock.advance(3_000);
    assert.deepEqual(bench.sink.calls, row.calls);
    assert.deepEqual(versions(api), row.asked);
  });
}

Deno.test("a Node that changed in nothing that is used calls nobody", async () => {
  const watch = streamed(["a", "b"], "5").end();
  const next = new FakeWatch();
  await using bench = start(new FakeLister().onWatch(watch, next));
  await settle();
  const before = bench.sink.nodes.get("a");
  await bench.clock.advance(2_000);
  next.send(
    upsert("a", "6"),
    upsert("b", "7"),
    bookmark("8"),
    remove("x", "9"),
  );
  await settle();
  next.send(errorEvent(410));
  bench.api.onWatch(streamed(["a", "b"], "10"));
  await bench.clock.advance(5_000);
  assert.deepEqual(bench.sink.calls, ["replace a b", "replace a b"]);
  assert.equal(bench.sink.nodes.get("a"), before);
});

Deno.test("a silent watch is replaced within 90 s, without a list and without an error", async () => {
  const api = new FakeLister().onWatch(streamed(["a"], "5"));
  await using bench = start(api);
  await bench.clock.advance(89_000);
  assert.equal(api.asked.length, 1);
  await bench.clock.advance(2_100);
  assert.deepEqual(versions(api), ['stream ""', "watch 5"]);
  assert(api.watches[0]?.closed);
  assert.equal(bench.reflector.status.lastError, undefined);
});

Deno.test("bookmarks keep a watch alive", async () => {
  const watch = streamed(["a"], "5");
  await using bench = start(new FakeLister().onWatch(watch));
  for (let minute = 1; minute <= 20; minute++) {
    await bench.clock.advance(60_000);
    watch.send(bookmark(String(100 + minute)));
  }
  assert.equal(bench.api.asked.length, 1);
});

Deno.test("a watch that ends every minute is resumed at once, and never listed", async () => {
  const api = new FakeLister().onWatch(streamed(["a"], "5"));
  await using bench = start(api);
  for (let round = 0; round < 10; round++) {
    await bench.clock.advance(60_000);
    api.watches.at(-1)?.end();
  }
  await bench.clock.advance(2_000);
  assert.equal(api.asked.length, 11);
  assert.equal(versions(api).filter((one) => one === "watch 5").length, 10);
});

Deno.test("a line that can never be read costs three tries and one list", async () => {
  const bad = (): FakeWatch =>
    new FakeWatch().end(new SyntaxError("Cannot read the watch of Nodes"));
  const api = new FakeLister().onWatch(
    streamed(["a"], "5").end(),
    bad(),
    bad(),
    bad(),
    streamed(["a"], "9"),
  );
  await using bench = start(api);
  await bench.clock.advance(60_000);
  assert.equal(api.asked.length, 5);
  assert.deepEqual(bench.sink.calls, ["replace a", "replace a"]);
});

Deno.test("401 and 403 are said, tried again, and cost nobody", async () => {
  const denied = failure(403, {
    reason: "Forbidden",
    message: 'nodes is forbidden: User "x" cannot watch resource "nodes"',
  });
  const api = new FakeLister().onWatch(
    streamed(["a"], "5").end(),
    ...Array.from({ length: 30 }, () => denied),
  );
  await using bench = start(api);
  await bench.clock.advance(600_000);
  assert.deepEqual(bench.sink.calls, ["replace a"]);
  assert.equal(
    bench.reflector.status.lastError?.text,
    'Cannot watch Nodes: 403 Forbidden: nodes is forbidden: User "x" cannot watch resource "nodes"; grant nodes list,watch: bind it to the ClusterRole clusternet (kubectl apply -k deploy/kustomize/base)',
  );
  assert(bench.reflector.status.synced);
  assert.equal(api.count("list"), 0);
});

Deno.test("the status changes when something changes, and not with each event", async () => {
  const watch = streamed(["a"], "5");
  const api = new FakeLister().onWatch(REFUSED, REFUSED, watch);
  await using bench = start(api);
  await bench.clock.advance(5_000);
  for (let at = 0; at < 100; at++) {
    watch.send(upsert(`n${at}`, String(10 + at)));
  }
  await settle();
  assert.deepEqual(
    bench.statuses.map(({ synced, lastError }) => [synced, lastError?.text]),
    [[false, REFUSED.message], [true, undefined]],
  );
});

/** Anything that can happen to a request. */
function misfortune(random: Random): FakeWatch | Error {
  const pick = random.below(12);
  switch (pick) {
    case 0:
      return REFUSED;
    case 1:
      return failure(500);
    case 2:
      return failure(410);
    case 3:
      return failure(429, { retryAfterSeconds: random.below(10) });
    case 4:
      return failure(403);
    case 5:
      return new FakeWatch().end();
    case 6:
      return new FakeWatch().send(errorEvent(410)).end();
    case 7:
      return new FakeWatch().send(errorEvent(500)).end();
    case 8:
      return new FakeWatch().end(new SyntaxError("not JSON"));
    case 9:
      return streamed(["a"], String(random.below(1000))).end();
    case 10:
      return streamed(["a"], "7").send(errorEvent(410)).end();
    default:
      return new FakeWatch(); // silence
  }
}

/** Goes wrong in one way, or in ever new ways; lets some watches live for a while. */
class Adversary extends FakeLister {
  readonly #random: Random;
  readonly #clock: VirtualClock;
  readonly #usual: number | undefined;
  /** The dearest: no streamed lists, and each history gone after a good while. */
  readonly #worst: boolean;

  constructor(random: Random, clock: VirtualClock) {
    super();
    this.#random = random;
    this.#clock = clock;
    this.#usual = random.chance(0.5) ? random.u32() : undefined;
    this.#worst = random.chance(0.2);
  }

  override watch(
    ...[query, signal]: Parameters<FakeLister["watch"]>
  ): ReturnType<FakeLister["watch"]> {
    const random = new Random(this.#usual ?? this.#random.u32());
    if (this.#worst) {
      this.onWatch(
        query.initialEvents ? failure(500) : this.#living(4_100, failure(410)),
      );
    } else if (random.chance(0.4)) {
      const life = random.pick([3_900, 4_000, 4_100, 9_000]);
      const end = random.pick([undefined, REFUSED, failure(410), failure(500)]);
      this.onWatch(this.#living(life, end));
    } else this.onWatch(misfortune(random));
    return super.watch(query, signal);
  }

  #living(milliseconds: number, end: Error | undefined): FakeWatch {
    const watch = streamed(["a"], "7");
    void this.#clock.sleep(milliseconds).then(() => watch.end(end));
    return watch;
  }

  override listPage(
    ...[query, signal]: Parameters<FakeLister["listPage"]>
  ): ReturnType<FakeLister["listPage"]> {
    const random = this.#random;
    this.onList(
      random.chance(0.5)
        ? failure(random.chance(0.5) ? 410 : 500)
        : page(["a"], "7", random.chance(0.5) ? "more" : ""),
    );
    return super.listPage(query, signal);
  }
}

Deno.test("whatever fails, requests stay under one in four seconds", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const virtual = new VirtualClock();
    const api = new Adversary(random, virtual);
    const float = new Random(seed);
    await using bench = start(api, () => float.u32() / 2 ** 32, { virtual });
    const seconds = 900;
    await bench.clock.advance(seconds * 1_000);
    // At once may come six, and the pages of one list.
    const rate = (api.asked.length - 12) / seconds;
    assert(rate <= 0.25, `seed ${seed}: ${api.asked.length} requests`);
    bench.stop.abort();
    await bench.clock.advance(10_000);
  }
});

/** What the server has, version by version. */
interface Model {
  version: number;
  readonly nodes: Map<string, NodeRecord>;
  readonly history: { version: number; event: WatchEvent }[];
}

function step(model: Model, random: Random): WatchEvent {
  const version = String(++model.version);
  const name = `n${random.below(8)}`;
  let event: WatchEvent;
  if (model.nodes.has(name) && random.chance(0.4)) {
    model.nodes.delete(name);
    event = remove(name, version);
  } else {
    const more = { publicKey: `k${random.below(3)}` };
    event = upsert(name, version, more);
    model.nodes.set(name, node(name, more));
  }
  model.history.push({ version: model.version, event });
  return event;
}

/** A server that ends, forgets, repeats and refuses at random, but does not lie. */
class ModelLister extends FakeLister {
  readonly model: Model = { version: 1, nodes: new Map(), history: [] };
  readonly random: Random;

  constructor(random: Random) {
    super();
    this.random = random;
  }

  override watch(
    ...[query, signal]: Parameters<FakeLister["watch"]>
  ): ReturnType<FakeLister["watch"]> {
    this.onWatch(this.#answer(query.resourceVersion, query.initialEvents));
    return super.watch(query, signal);
  }

  override listPage(
    ...[query, signal]: Parameters<FakeLister["listPage"]>
  ): ReturnType<FakeLister["listPage"]> {
    const nodes = [...this.model.nodes.values()];
    const resourceVersion = String(this.model.version);
    this.onList(
      this.random.chance(0.3)
        ? failure(500)
        : { nodes, resourceVersion, continueToken: "" },
    );
    return super.listPage(query, signal);
  }

  #answer(resourceVersion: string, initial: boolean): FakeWatch | Error {
    const { model, random } = this;
    if (random.chance(0.2)) {
      return random.pick([REFUSED, failure(500), NO_STREAMS]);
    }
    const watch = new FakeWatch();
    if (initial) {
      for (const [name, record] of model.nodes) {
        watch.send(upsert(name, "0", record));
      }
      if (random.chance(0.2)) return watch.end();
      return watch.send(bookmark(String(model.version), true));
    }
    if (random.chance(0.15)) return watch.send(errorEvent(410));
    // Duplicates: some servers repeat the last event.
    const from = Number(resourceVersion) - (random.chance(0.3) ? 1 : 0);
    const missed = model.history.filter(({ version }) => version > from);
    return watch.send(...missed.map(({ event }) => event));
  }
}

Deno.test("after any sequence of events, ends and errors the sink is what the server has", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const api = new ModelLister(random);
    await using bench = start(api, () => random.u32() / 2 ** 32);
    for (let round = 0; round < 60; round++) {
      const event = step(api.model, random);
      const live = api.watches.at(-1);
      if (random.chance(0.1)) live?.end();
      else if (random.chance(0.05)) live?.end(new NetworkError("reset"));
      else live?.send(event);
      if (random.chance(0.3)) await bench.clock.advance(random.below(20_000));
      else await settle();
    }
    await bench.clock.advance(600_000);
    const sorted = (nodes: Map<string, NodeRecord>): NodeRecord[] =>
      [...nodes.values()].sort((a, b) => a.name < b.name ? -1 : 1);
    assert.deepEqual(
      sorted(bench.sink.nodes),
      sorted(api.model.nodes),
      `seed ${seed}`,
    );
  }
});
