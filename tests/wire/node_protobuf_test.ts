import assert from "node:assert/strict";
import type { Json } from "../../mod/core/json_patch.ts";
import { statusFromProtobuf } from "../../mod/wire/kube_protobuf.ts";
import {
  decodeNodePage,
  decodeWatchEvent,
  nodeFromJson,
  type WatchEvent,
} from "../../mod/wire/node_json.ts";
import { type Known, NodeProtobuf } from "../../mod/wire/node_protobuf.ts";
import { statusFromJson } from "../../mod/wire/status_json.ts";
import {
  listBytes,
  nodeBytes,
  statusBytes,
  watchFrame,
  wrapped,
} from "../fakes/api_protobuf.ts";
import { type JsonList, listText } from "../fakes/api_list.ts";
import { isObject, type JsonObject } from "../fakes/api_store.ts";
import { damaged } from "../support/damaged.ts";
import { heartbeat, kubeletNode } from "../support/kubelet_node.ts";
import { Random } from "../support/random.ts";

const KEY = "clusternet.dev/wg-pubkey";
const WANTED = { annotation: KEY, ownNode: "node-3" };

function frameOf(type: string, object: Uint8Array): Uint8Array {
  return watchFrame(type, object).subarray(4);
}

function eventOf(type: string, node: JsonObject, known?: Known): WatchEvent {
  const frame = frameOf(type, wrapped("Node", nodeBytes(node)));
  return new NodeProtobuf(WANTED).event(frame, known);
}

function jsonEvent(type: string, object: Json): WatchEvent {
  const text = JSON.stringify({ type, object });
  return decodeWatchEvent(new TextEncoder().encode(text), WANTED);
}

/** What JSON cannot know. */
function plain(event: WatchEvent): WatchEvent {
  if (event.kind !== "upsert") return event;
  const { fingerprint: _, ...rest } = event;
  return rest;
}

/** Node number n as a server would give it. */
function served(n: number, metadata: JsonObject = {}): JsonObject {
  const node = kubeletNode(n);
  assert(isObject(node.metadata));
  return {
    ...node,
    metadata: { ...node.metadata, resourceVersion: `${900 + n}`, ...metadata },
  };
}

Deno.test("a frame by hand: what each byte of a watch event means", () => {
  const digits = `
    0a 05 4144444544          # WatchEvent.type "ADDED"
    12 5c                     # .object, RawExtension
      0a 5a                   #   .raw
        6b 38 73 00           #     "k8s\\0"
        0a 0a                 #     Unknown.typeMeta
          0a 02 7631          #       apiVersion "v1"
          12 04 4e6f6465      #       kind "Node"
        12 48                 #     .raw: Node
          0a 20               #       metadata
            0a 01 61          #         name "a"
            2a 01 75          #         uid "u"
            32 01 37          #         resourceVersion "7"
            42 06 08 80 92 b8 c3 06  #  creationTimestamp 1,752,041,728 s
            62 0b             #         annotations
              0a 04 746865 6b #           "thek"
              12 03 4b4559    #           "KEY"
            4a 00             #         (passed over)
          12 0d               #       spec
            3a 0b 31302e302e312e302f3234  # podCIDRs "10.0.1.0/24"
          1a 15               #       status
            2a 13             #         addresses
              0a 0a 496e7465726e616c4950  # type "InternalIP"
              12 05 312e322e33            # address "1.2.3"
  `.replaceAll(/#.*$/gm, "").replaceAll(/\s/g, "");
  const decoder = new NodeProtobuf({ annotation: "thek" });
  const event = decoder.event(Uint8Array.fromHex(digits));
  assert.deepEqual(plain(event), {
    kind: "upsert",
    node: {
      name: "a",
      uid: "u",
      created: "2025-07-09T06:15:28Z",
      publicKey: "KEY",
      internalIps: ["1.2.3"],
      podCidrs: ["10.0.1.0/24"],
    },
    resourceVersion: "7",
  });
});

Deno.test("both encodings of a Node give the same record", () => {
  for (let n = 0; n < 20; n++) {
    const node = served(n);
    for (const type of ["ADDED", "MODIFIED", "DELETED"]) {
      assert.deepEqual(plain(eventOf(type, node)), jsonEvent(type, node));
    }
  }
});

const TEXTS = ["", "a", "K=", "schlüssel-€-𝔾", "\ufeff", "\0", "x".repeat(255)];
const LONG = [
  "y".repeat(256),
  "z".repeat(257),
  "€".repeat(300),
  "𝔾".repeat(200),
];

/** Some Node that an API server could have, far from what is usual. */
function odd(random: Random): JsonObject {
  const text = (): string => random.pick([...TEXTS, ...LONG]);
  const list = <T extends Json>(make: () => T): T[] =>
    Array.from({ length: random.pick([0, 1, 2, 16, 17, 18, 40]) }, make);
  const maybe = (value: JsonObject): JsonObject =>
    random.chance(0.2) ? {} : value;
  return {
    metadata: {
      ...maybe({ name: random.pick(["node-3", "b", "n".repeat(253), text()]) }),
      ...maybe({ uid: text() }),
      ...maybe({ resourceVersion: random.pick(["7", text()]) }),
      ...maybe({
        creationTimestamp: random.pick([
          "1969-07-20T20:17:40Z",
          "2038-01-19T03:14:08Z",
          "2026-01-01T00:00:00Z",
        ]),
      }),
      ...maybe({
        annotations: {
          ...maybe({ [KEY]: text() }),
          [`${KEY}x`]: text(),
          a: "",
        },
      }),
      labels: { a: text() },
    },
    ...maybe({
      spec: {
        ...maybe({ podCIDR: text() }),
        ...maybe({ podCIDRs: list(text) }),
        unschedulable: random.chance(0.5),
      },
    }),
    ...maybe({
      status: {
        ...maybe({
          addresses: list((): JsonObject => ({
            type: random.pick(["InternalIP", "InternalI", "ExternalIP", ""]),
            address: text(),
          })),
        }),
        ...maybe({
          conditions: list((): JsonObject => ({
            type: random.pick(["NetworkUnavailable", "Ready", ""]),
            status: text(),
            reason: text(),
            message: random.pick([
              text(),
              "m".repeat(1_001),
              "n".repeat(5_000),
            ]),
            lastTransitionTime: "2026-01-01T00:00:00Z",
          })),
        }),
      },
    }),
  };
}

Deno.test("both encodings give the same record, however odd the Node", () => {
  for (let seed = 1; seed <= 1_000; seed++) {
    const node = odd(new Random(seed));
    const record = new NodeProtobuf(WANTED).node(nodeBytes(node));
    assert.deepEqual(record, nodeFromJson(node, WANTED), `seed ${seed}`);
    const event = plain(eventOf("MODIFIED", node));
    assert.deepEqual(event, jsonEvent("MODIFIED", node), `seed ${seed}`);
  }
});

Deno.test("an event is unchanged exactly where its record is", () => {
  const decoder = new NodeProtobuf(WANTED, 4711);
  for (let seed = 1; seed <= 700; seed++) {
    const random = new Random(seed);
    const before = random.chance(0.5) ? served(seed % 5) : odd(random);
    const changes: readonly (() => JsonObject)[] = [
      () => heartbeat(before, "2026-06-06T06:06:06Z"),
      () => ({ ...before, spec: { podCIDRs: ["10.0.1.0/24", "10.0.2.0/24"] } }),
      () => ({
        ...before,
        metadata: {
          ...before.metadata as JsonObject,
          labels: { new: "1" },
          resourceVersion: "99",
        },
      }),
      () => ({
        ...before,
        metadata: { ...before.metadata as JsonObject, uid: `u${seed}` },
      }),
      () => ({
        ...before,
        metadata: {
          ...before.metadata as JsonObject,
          creationTimestamp: "2001-01-01T00:00:00Z",
        },
      }),
      () => ({
        ...before,
        metadata: { ...before.metadata as JsonObject, annotations: {} },
      }),
      () => ({
        ...before,
        status: { addresses: [{ type: "InternalIP", address: "192.0.2.9" }] },
      }),
      () => odd(random),
    ];
    const after = random.pick(changes)();
    const frame = (node: JsonObject): Uint8Array =>
      frameOf("MODIFIED", wrapped("Node", nodeBytes(node)));
    const first = decoder.event(frame(before));
    if (first.kind !== "upsert") continue;
    const known = {
      fingerprint: (name: string): number | undefined =>
        name === first.node.name ? first.fingerprint : undefined,
    };
    const second = decoder.event(frame(after), known);
    const json = jsonEvent("MODIFIED", after);
    if (json.kind !== "upsert") {
      assert.equal(second.kind, json.kind, `seed ${seed}`);
      continue;
    }
    const { resourceVersion } = json;
    if (second.kind === "unchanged") {
      assert.deepEqual(json.node, first.node, `seed ${seed}`);
      const { name } = first.node;
      assert.deepEqual(second, { kind: "unchanged", name, resourceVersion });
    } else {
      assert.deepEqual(plain(second), json, `seed ${seed}`);
      // Where a cut text hides the change, one more look is no harm.
      const cut = JSON.stringify(after).length > 600;
      if (!cut) assert.notDeepEqual(json.node, first.node, `seed ${seed}`);
    }
  }
});

Deno.test("a kubelet's report is unchanged; on our own Node the condition is not", () => {
  const decoder = new NodeProtobuf(WANTED, 1);
  const conditions = (status: string): JsonObject[] => [
    { type: "NetworkUnavailable", status, reason: "r", message: "m" },
  ];
  for (const n of [2, 3]) {
    const node = served(n);
    const base = node.status as JsonObject;
    const frames = ["False", "False", "True"].map((status) =>
      frameOf(
        "MODIFIED",
        wrapped(
          "Node",
          nodeBytes({
            ...node,
            status: { ...base, conditions: conditions(status) },
          }),
        ),
      )
    );
    let known: number | undefined;
    const kinds = frames.map((frame) => {
      const event = decoder.event(frame, { fingerprint: () => known });
      if (event.kind === "upsert") known = event.fingerprint;
      return event.kind;
    });
    const last = n === 3 ? "upsert" : "unchanged";
    assert.deepEqual(kinds, ["upsert", "unchanged", last]);
  }
});

Deno.test("fingerprints are small whole numbers, and depend on the seed", () => {
  const frame = frameOf("ADDED", wrapped("Node", nodeBytes(served(1))));
  const all = Array.from({ length: 100 }, (_, seed) => {
    const event = new NodeProtobuf(WANTED, seed).event(frame);
    assert(event.kind === "upsert" && Number.isSafeInteger(event.fingerprint));
    return event.fingerprint;
  });
  assert.equal(new Set(all).size, all.length);
});

Deno.test("bookmarks say their version, and whether the list is complete", () => {
  for (
    const annotations of [
      {},
      { "k8s.io/initial-events-end": "true" },
      { "k8s.io/initial-events-end": "false" },
      { other: "true", "k8s.io/initial-events-end": "true", z: "1" },
    ]
  ) {
    const object = { metadata: { resourceVersion: "12", annotations } };
    assert.deepEqual(
      eventOf("BOOKMARK", object),
      jsonEvent("BOOKMARK", object),
    );
  }
});

const STATUSES: readonly JsonObject[] = [
  { code: 410, reason: "Expired", message: "too old resource version: 1 (9)" },
  { code: 410, reason: "Gone", message: "" },
  {
    code: 504,
    reason: "Timeout",
    message: "Timeout: Too large resource version: 9, current: 1",
    details: {
      retryAfterSeconds: 1,
      causes: [{
        reason: "ResourceVersionTooLarge",
        message: "Too large resource version",
      }],
    },
  },
  {
    code: 429,
    reason: "TooManyRequests",
    message: "busy",
    details: { retryAfterSeconds: 7 },
  },
  {
    code: 403,
    reason: "Forbidden",
    message: "m".repeat(2_000),
    details: { name: "a", kind: "nodes", causes: Array(20).fill({}) },
  },
  { code: 500, reason: "InternalError", message: "€", metadata: {} },
];

Deno.test("both encodings of a Status say the same, as an answer and as an ERROR event", () => {
  for (const status of STATUSES) {
    const object = { kind: "Status", status: "Failure", ...status };
    const bytes = statusBytes(object);
    assert.deepEqual(statusFromProtobuf(bytes), statusFromJson(object));
    assert.deepEqual(
      new NodeProtobuf(WANTED).event(frameOf("ERROR", bytes)),
      jsonEvent("ERROR", object),
    );
  }
  const node = wrapped("Node", nodeBytes(served(1)));
  assert.equal(statusFromProtobuf(node), undefined);
  assert.equal(statusFromProtobuf(Uint8Array.of(1, 2, 3)), undefined);
  const error = new NodeProtobuf(WANTED).event(frameOf("ERROR", node));
  assert(error.kind === "error" && error.status.code === 0);
});

Deno.test("both encodings of a list give the same page", () => {
  const metadata: readonly JsonObject[] = [
    { resourceVersion: "7" },
    { resourceVersion: "7", continue: "token", remainingItemCount: 40 },
    { resourceVersion: "7", continue: "" },
  ];
  for (const one of metadata) {
    const items = [served(1), served(2), { metadata: {} }, served(3)];
    const list: JsonList = { metadata: one, items };
    const json = new TextEncoder().encode(listText(list));
    assert.deepEqual(
      new NodeProtobuf(WANTED).page(listBytes(list)),
      decodeNodePage(json, WANTED),
    );
  }
  const none: JsonList = { metadata: { resourceVersion: "1" }, items: [] };
  assert.deepEqual(new NodeProtobuf(WANTED).page(listBytes(none)).nodes, []);
});

Deno.test("half a list is none", () => {
  const decoder = new NodeProtobuf(WANTED);
  const list = { metadata: { resourceVersion: "7" }, items: [served(1)] };
  const whole = listBytes(list);
  const rows = [
    new Uint8Array(),
    whole.slice(0, -1),
    whole.slice(0, 40),
    wrapped("Node", nodeBytes(served(1))),
    listBytes({ metadata: {}, items: [] }),
    listBytes({
      metadata: { resourceVersion: "7", continue: "c".repeat(9_000) },
      items: [],
    }),
    new TextEncoder().encode("<html>"),
  ];
  for (const bytes of rows) {
    assert.throws(() => decoder.page(bytes), SyntaxError);
  }
});

Deno.test("a Node that cannot be read costs only itself", () => {
  const decoder = new NodeProtobuf(WANTED);
  const good = nodeBytes(served(1));
  for (const bad of [good.slice(0, -1), good.slice(0, 30)]) {
    const event = decoder.event(frameOf("MODIFIED", wrapped("Node", bad)));
    assert.equal(event.kind, "unknown");
  }
  const other = decoder.event(frameOf("ADDED", wrapped("Pod", good)));
  assert.equal(other.kind, "unknown");
  const nameless = wrapped("Node", nodeBytes({ metadata: {} }));
  for (const type of ["ADDED", "DELETED"]) {
    assert.equal(decoder.event(frameOf(type, nameless)).kind, "unknown");
  }
  const fine = wrapped("Node", good);
  assert.equal(decoder.event(frameOf("NEWS", fine)).kind, "unknown");
  assert.equal(decoder.event(frameOf("ADDED", fine)).kind, "upsert");
  assert.throws(() => decoder.event(Uint8Array.of(0x0a, 0x09)), SyntaxError);
});

Deno.test("whatever the bytes, an event comes out or a SyntaxError, and the next is right", () => {
  const decoder = new NodeProtobuf(WANTED);
  const good = frameOf("MODIFIED", wrapped("Node", nodeBytes(served(3))));
  const expected = decoder.event(good);
  const small = odd(new Random(5));
  const seeds = [
    frameOf("ADDED", wrapped("Node", nodeBytes(small))),
    frameOf("ERROR", statusBytes(STATUSES[2] ?? {})),
    good.slice(0, 400),
    good,
  ];
  for (let seed = 1; seed <= 6_000; seed++) {
    const random = new Random(seed);
    let bytes = seeds[seed % 64 === 0 ? 3 : seed % 3] ?? good;
    for (let times = random.below(3); times >= 0; times--) {
      bytes = damaged(bytes, random);
    }
    try {
      const event = decoder.event(bytes);
      if (event.kind === "upsert") {
        const { internalIps, name, podCidrs, publicKey, uid } = event.node;
        const texts = [name, uid, publicKey ?? "", ...internalIps, ...podCidrs];
        assert(texts.every((text) => text.length <= 256), `seed ${seed}`);
        assert(internalIps.length <= 17 && podCidrs.length <= 17);
      }
    } catch (error) {
      assert(error instanceof SyntaxError, `seed ${seed}: ${error}`);
    }
    if (seed % 100 === 0) assert.deepEqual(decoder.event(good), expected);
  }
});
