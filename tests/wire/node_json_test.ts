import assert from "node:assert/strict";
import { NODE_LIST_LIMIT, type NodeRecord } from "../../mod/core/node.ts";
import {
  decodeNodePage,
  decodeObservedNode,
  decodeWatchEvent,
  nodeFromJson,
} from "../../mod/wire/node_json.ts";
import {
  isExpired,
  isTooLarge,
  isTooManyRequests,
  statusFromJson,
} from "../../mod/wire/status_json.ts";
import { Random } from "../support/random.ts";

const KEY = "clusternet.dev/wg-pubkey";
const WANTED = { annotation: KEY };

const encode = (value: unknown): Uint8Array =>
  new TextEncoder().encode(
    typeof value === "string" ? value : JSON.stringify(value),
  );

const NODE = {
  kind: "Node",
  apiVersion: "v1",
  metadata: {
    name: "worker-1",
    uid: "6e0f4f0c-0000-4000-8000-000000000001",
    resourceVersion: "4711",
    creationTimestamp: "2025-11-22T15:00:00Z",
    labels: { "kubernetes.io/os": "linux" },
    annotations: { [KEY]: "K=", other: "x" },
  },
  spec: { podCIDR: "10.0.1.0/24", podCIDRs: ["10.0.1.0/24", "fd00:1::/64"] },
  status: {
    addresses: [
      { type: "Hostname", address: "worker-1" },
      { type: "InternalIP", address: "192.0.2.1" },
      { type: "ExternalIP", address: "198.51.100.1" },
      { type: "InternalIP", address: "2001:db8::1" },
    ],
  },
};

const RECORD: NodeRecord = {
  name: "worker-1",
  uid: "6e0f4f0c-0000-4000-8000-000000000001",
  created: "2025-11-22T15:00:00Z",
  publicKey: "K=",
  internalIps: ["192.0.2.1", "2001:db8::1"],
  podCidrs: ["10.0.1.0/24", "fd00:1::/64"],
};

Deno.test("nodeFromJson() takes what is used, and the key by the option's name", () => {
  assert.deepEqual(nodeFromJson(NODE, WANTED), RECORD);
  assert.equal(nodeFromJson(NODE, { annotation: "other" })?.publicKey, "x");
  assert.equal(
    nodeFromJson(NODE, { annotation: "none" })?.publicKey,
    undefined,
  );
});

Deno.test("nodeFromJson() takes podCIDR where there are no podCIDRs", () => {
  const rows: readonly (readonly [unknown, readonly string[]])[] = [
    [{ podCIDR: "10.0.1.0/24" }, ["10.0.1.0/24"]],
    [{ podCIDR: "10.0.1.0/24", podCIDRs: [] }, ["10.0.1.0/24"]],
    [{ podCIDR: "10.0.1.0/24", podCIDRs: null }, ["10.0.1.0/24"]],
    [{ podCIDR: "" }, []],
    [{}, []],
    [undefined, []],
  ];
  for (const [spec, expected] of rows) {
    assert.deepEqual(
      nodeFromJson({ ...NODE, spec }, WANTED)?.podCidrs,
      expected,
    );
  }
});

Deno.test("nodeFromJson() drops wrong types and keeps the rest", () => {
  const rows: readonly (readonly [object, Partial<NodeRecord>])[] = [
    [{ status: "x" }, { internalIps: [] }],
    [{ status: null }, { internalIps: [] }],
    [{ status: { addresses: { type: "InternalIP" } } }, { internalIps: [] }],
    [{
      status: {
        addresses: [null, 7, { type: "InternalIP" }, {
          type: "InternalIP",
          address: 7,
        }, { type: "InternalIP", address: "192.0.2.9" }],
      },
    }, { internalIps: ["192.0.2.9"] }],
    [{ spec: [] }, { podCidrs: [] }],
    [{ spec: { podCIDRs: [7, null, "10.0.1.0/24", {}] } }, {
      podCidrs: ["10.0.1.0/24"],
    }],
    [{ metadata: { name: "worker-1" } }, {
      uid: "",
      created: "",
      publicKey: undefined,
    }],
    [{ metadata: { name: "worker-1", annotations: null, uid: 7 } }, {
      uid: "",
      created: "",
      publicKey: undefined,
    }],
    [{ metadata: { ...NODE.metadata, annotations: { [KEY]: 7 } } }, {
      publicKey: undefined,
    }],
    [{ metadata: { ...NODE.metadata, annotations: [KEY] } }, {
      publicKey: undefined,
    }],
  ];
  for (const [change, expected] of rows) {
    assert.deepEqual(
      nodeFromJson({ ...NODE, ...change }, WANTED),
      { ...RECORD, ...expected },
      JSON.stringify(change),
    );
  }
});

Deno.test("nodeFromJson() knows no Node without a name", () => {
  const rows = [
    null,
    undefined,
    7,
    "x",
    [],
    {},
    { metadata: null },
    { metadata: { name: 7 } },
    { metadata: { name: "" } },
    { metadata: { name: "x".repeat(254) } },
  ];
  for (const value of rows) {
    assert.equal(nodeFromJson(value, WANTED), undefined);
  }
});

Deno.test("lists are cut one past the limit, strings at theirs", () => {
  const many = Array.from({ length: 10_000 }, (_, at) => `10.${at}.0.0/24`);
  const addresses = many.map((address) => ({ type: "InternalIP", address }));
  const record = nodeFromJson({
    ...NODE,
    metadata: {
      ...NODE.metadata,
      annotations: { [KEY]: "k".repeat(100_000) },
    },
    spec: { podCIDRs: many },
    status: { addresses },
  }, WANTED);
  assert.equal(record?.podCidrs.length, NODE_LIST_LIMIT + 1);
  assert.equal(record?.internalIps.length, NODE_LIST_LIMIT + 1);
  assert.equal(record?.publicKey, "k".repeat(256));
});

Deno.test("keys of the prototype are keys like any other", () => {
  const text = `{"metadata": {"name": "a", "__proto__": {"uid": "u"},
    "annotations": {"__proto__": {"${KEY}": "evil"}, "toString": "t"}},
    "__proto__": {"spec": {"podCIDR": "10.0.0.0/24"}},
    "constructor": {"prototype": {"status": 1}}}`;
  const event = decodeWatchEvent(
    encode(`{"type": "ADDED", "object": ${text}}`),
    WANTED,
  );
  assert(event.kind === "upsert");
  assert.deepEqual(event.node, {
    name: "a",
    uid: "",
    created: "",
    publicKey: undefined,
    internalIps: [],
    podCidrs: [],
  });
  assert.equal(
    nodeFromJson(JSON.parse(text), { annotation: "valueOf" })?.publicKey,
    undefined,
  );
  assert.equal(Object.keys(Object.prototype).length, 0);
});

Deno.test("decodeWatchEvent() knows the five kinds of event", () => {
  const rows: readonly (readonly [unknown, unknown])[] = [
    [{ type: "ADDED", object: NODE }, {
      kind: "upsert",
      node: RECORD,
      resourceVersion: "4711",
    }],
    [{ type: "MODIFIED", object: NODE }, {
      kind: "upsert",
      node: RECORD,
      resourceVersion: "4711",
    }],
    [{ type: "DELETED", object: NODE }, {
      kind: "remove",
      name: "worker-1",
      resourceVersion: "4711",
    }],
    [{ type: "BOOKMARK", object: { metadata: { resourceVersion: "9" } } }, {
      kind: "bookmark",
      resourceVersion: "9",
      initialEnd: false,
    }],
    [{
      type: "BOOKMARK",
      object: {
        metadata: {
          resourceVersion: "9",
          annotations: { "k8s.io/initial-events-end": "true" },
        },
      },
    }, { kind: "bookmark", resourceVersion: "9", initialEnd: true }],
    [{ type: "ADDED", object: null }, {
      kind: "unknown",
      why: "ADDED of something without a name",
    }],
    [{ type: "__proto__" }, {
      kind: "unknown",
      why: "an event of no known type",
    }],
    [[], { kind: "unknown", why: "an event of no known type" }],
  ];
  for (const [value, expected] of rows) {
    assert.deepEqual(decodeWatchEvent(encode(value), WANTED), expected);
  }
});

Deno.test("decodeWatchEvent() throws only for what is not JSON", () => {
  for (const text of ["", "{", '{"type":', "\0", "}", "not json"]) {
    assert.throws(
      () => decodeWatchEvent(encode(text), WANTED),
      SyntaxError,
      text,
    );
  }
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  try {
    decodeWatchEvent(encode(`{"type":"ADDED","object":${deep}}`), WANTED);
  } catch (error) {
    assert(error instanceof SyntaxError);
  }
});

Deno.test("decodeNodePage() wants a list with a version, and nothing less", () => {
  const page = decodeNodePage(
    encode({
      metadata: { resourceVersion: "12", continue: "abc" },
      items: [NODE, null, { metadata: {} }],
    }),
    WANTED,
  );
  assert.deepEqual(page, {
    nodes: [RECORD],
    resourceVersion: "12",
    continueToken: "abc",
  });
  const none = { metadata: { resourceVersion: "12" }, items: null };
  assert.deepEqual(decodeNodePage(encode(none), WANTED).nodes, []);
  const rows: readonly unknown[] = [
    "<html>",
    '{"metadata":{"resourceVersion":"1"},"items":[',
    {},
    [],
    { items: [] },
    { metadata: {}, items: [] },
    { metadata: { resourceVersion: 7 }, items: [] },
    { metadata: { resourceVersion: "7" }, items: {} },
    { metadata: { resourceVersion: "7" } },
    { metadata: { resourceVersion: "7", continue: 7 }, items: [] },
  ];
  for (const value of rows) {
    assert.throws(() => decodeNodePage(encode(value), WANTED), SyntaxError);
  }
});

Deno.test("decodeObservedNode() says what a patch has to know", () => {
  const { uid, resourceVersion } = NODE.metadata;
  assert.deepEqual(decodeObservedNode(encode(NODE)), {
    uid,
    resourceVersion,
    annotations: NODE.metadata.annotations,
    networkCondition: undefined,
  });
  for (const annotations of [undefined, null, "x"]) {
    const metadata = { ...NODE.metadata, annotations };
    assert.deepEqual(
      decodeObservedNode(encode({ ...NODE, metadata })),
      { uid, resourceVersion, networkCondition: undefined },
    );
  }
  const strange = { ...NODE.metadata, annotations: { a: 7, b: "x" } };
  assert.deepEqual(
    decodeObservedNode(encode({ metadata: strange }))?.annotations,
    { b: "x" },
  );
  for (const value of ["<html>", {}, [], { metadata: { uid: "u" } }]) {
    assert.equal(decodeObservedNode(encode(value)), undefined);
  }
});

const CONDITION = {
  status: "False",
  reason: "ClusternetIsUp",
  message: "it stands",
};

function withConditions(conditions: unknown): typeof NODE {
  return { ...NODE, status: { ...NODE.status, conditions } as never };
}

Deno.test("the condition is taken of our own Node, and of no other", () => {
  const times = { lastHeartbeatTime: "b", lastTransitionTime: "t" };
  const node = withConditions([
    { type: "Ready", status: "True", reason: "KubeletReady", message: "m" },
    { type: "NetworkUnavailable", ...CONDITION, ...times },
    { type: "NetworkUnavailable", status: "True" },
  ]);
  assert.deepEqual(nodeFromJson(node, WANTED), RECORD);
  const other = { ...WANTED, ownNode: "worker-2" };
  assert.deepEqual(nodeFromJson(node, other), RECORD);
  const own = { ...WANTED, ownNode: "worker-1" };
  const record = { ...RECORD, networkCondition: CONDITION };
  assert.deepEqual(nodeFromJson(node, own), record);
  assert.deepEqual(
    decodeObservedNode(encode(node))?.networkCondition,
    { ...CONDITION, lastTransitionTime: "t" },
  );
  for (const none of [undefined, null, "x", {}, [], [null, { type: 7 }]]) {
    assert.deepEqual(nodeFromJson(withConditions(none), own), RECORD);
  }
  const strange = [{ type: "NetworkUnavailable", status: 7, message: null }];
  assert.deepEqual(nodeFromJson(withConditions(strange), own), {
    ...RECORD,
    networkCondition: { status: "", reason: "", message: "" },
  });
});

Deno.test("a condition's message that is too long to be ours stays another", () => {
  const message = "m".repeat(2_000);
  const node = withConditions([{ type: "NetworkUnavailable", message }]);
  const found = nodeFromJson(node, { ...WANTED, ownNode: "worker-1" });
  assert.equal(found?.networkCondition?.message.length, 1_001);
});

Deno.test("an error is told from another by code, reason or cause", () => {
  const status = (more: object): NonNullable<
    ReturnType<typeof statusFromJson>
  > => {
    const found = statusFromJson({ kind: "Status", ...more });
    assert(found);
    return found;
  };
  assert(isExpired(status({ code: 410 })));
  assert(isExpired(status({ reason: "Gone" })));
  assert(isExpired(status({ reason: "Expired" })));
  assert(!isExpired(status({ code: 500 })));
  assert(isTooManyRequests(status({ code: 429 })));
  const text = "Too large resource version";
  const causes = [{ reason: "ResourceVersionTooLarge" }];
  assert(isTooLarge(status({ code: 504, details: { causes } })));
  assert(isTooLarge(status({
    reason: "Timeout",
    details: { causes: [{ message: text }] },
  })));
  assert(isTooLarge(status({
    reason: "Timeout",
    message: `Timeout: ${text}: 9, current: 1`,
  })));
  assert(!isTooLarge(status({ code: 500, message: text })));
  assert(!isTooLarge(status({ code: 504, message: "etcd is slow" })));
  assert.equal(statusFromJson({ kind: "Node" }), undefined);
  assert.equal(statusFromJson(null), undefined);
  assert.deepEqual(
    status({ code: "x", message: 7, details: { retryAfterSeconds: -1 } }),
    {
      code: 0,
      reason: "",
      message: "",
      retryAfterSeconds: undefined,
      causes: [],
    },
  );
});

/** Some other value in the place of a random part of the Node. */
function mutated(value: unknown, random: Random): unknown {
  const strange = [
    null,
    7,
    -1e308,
    true,
    "",
    "x".repeat(5000),
    "\ud800",
    [],
    {},
    [[[]]],
    { type: "InternalIP", address: ["192.0.2.1"] },
    Array.from({ length: 100 }, () => "10.0.0.0/24"),
  ];
  if (random.chance(0.15)) return random.pick(strange);
  if (Array.isArray(value)) return value.map((item) => mutated(item, random));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, child]): [
    string,
    unknown,
  ] => [random.chance(0.03) ? "__proto__" : key, mutated(child, random)]);
  return Object.fromEntries(entries);
}

Deno.test("whatever a Node is made of, a record is small, or there is none", () => {
  for (let seed = 1; seed <= 5000; seed++) {
    const random = new Random(seed);
    const object = mutated(NODE, random);
    const event = decodeWatchEvent(
      encode({ type: "MODIFIED", object }),
      WANTED,
    );
    if (event.kind !== "upsert") continue;
    const { node } = event;
    const texts = [
      node.name,
      node.uid,
      node.created,
      node.publicKey ?? "",
      ...node.internalIps,
      ...node.podCidrs,
    ];
    for (const text of texts) {
      assert.equal(typeof text, "string", `seed ${seed}`);
      assert(text.length <= 256, `seed ${seed}`);
    }
    assert(texts.length <= 4 + 2 * (NODE_LIST_LIMIT + 1), `seed ${seed}`);
  }
});

Deno.test("random bytes are refused or passed over, and nothing else", () => {
  const line = encode({ type: "ADDED", object: NODE });
  for (let seed = 1; seed <= 5000; seed++) {
    const random = new Random(seed);
    const bytes = line.slice();
    for (let hits = random.below(8); hits >= 0; hits--) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    try {
      decodeWatchEvent(bytes, WANTED);
    } catch (error) {
      assert(error instanceof SyntaxError, `seed ${seed}: ${error}`);
    }
  }
});
