/**
 * Nodes of a real API server, through all that may happen to one, as they come
 * in both encodings.
 *
 *     deno task golden nodes    tests/golden/protobuf/recorded.jsonl
 *
 * @module
 */

import type { WatchEvent } from "../../mod/wire/node_json.ts";
import { FrameSplitter } from "../../mod/wire/watch_frames.ts";
import { LineSplitter } from "../../mod/wire/watch_lines.ts";
import { PROTOBUF } from "../../mod/wire/kube_protobuf.ts";
import {
  type Recorded,
  RECORDED_WANTED,
  recordedText,
} from "../support/recorded_nodes.ts";
import { withControlPlane } from "./harness.ts";
import {
  JSON_PATCH,
  type KubeApi,
  MERGE,
  STRATEGIC_MERGE,
} from "./kube_api.ts";
import { NODES } from "./nodes.ts";

const KEY = RECORDED_WANTED.annotation;
const AT = "2026-01-02T03:04:05Z";

/** In strings of a Node that a person may write. */
const STRANGE = [
  "",
  "schlüssel-€-𝔾",
  "\ufeffbegins with a byte order mark",
  "\0 and \u0001\u001f\u007f",
  "\u2028</script>&amp;\"'\\",
  "half a pair: \ud800",
  "x".repeat(255),
  "x".repeat(256),
  "x".repeat(257),
  "€".repeat(300),
  "𝔾".repeat(200),
];

interface Change {
  /** Of the Node; "status" for what is written there. */
  readonly path: string;
  readonly body: unknown;
  readonly type?: string;
}

/** What happens to the Node "own", one after the other. */
function changes(): readonly Change[] {
  const own = `${NODES}/own`;
  const merged = (body: unknown): Change => ({ path: own, body, type: MERGE });
  const status = (body: unknown, type = STRATEGIC_MERGE): Change => ({
    ...{ path: `${own}/status`, body: { status: body }, type },
  });
  const condition = (more: Readonly<Record<string, unknown>>): Change =>
    status({ conditions: [{ type: "NetworkUnavailable", ...more }] });
  return [
    merged({ metadata: { labels: { a: "1", "example.com/b": "" } } }),
    merged({ metadata: { labels: { a: null } } }),
    merged({ metadata: { labels: null } }),
    ...STRANGE.map((text) =>
      merged({ metadata: { annotations: { [KEY]: text } } })
    ),
    ...STRANGE.slice(0, 6).map((text) =>
      merged({ metadata: { annotations: { [`${KEY}x`]: text, z: KEY } } })
    ),
    merged({ metadata: { annotations: null } }),
    merged({ metadata: { annotations: { [KEY]: "K=" } } }),
    merged({ metadata: { ownerReferences: [OWNER], finalizers: ["a.b/c"] } }),
    merged({ spec: { unschedulable: true, providerID: "test://1" } }),
    merged({ spec: { taints: [{ key: "k", effect: "NoExecute" }, TAINT] } }),
    merged({ spec: { taints: null } }),
    condition({ status: "True" }),
    condition({
      status: "True",
      reason: "NoRouteCreated",
      message: "<none> €",
    }),
    condition({ lastTransitionTime: AT, lastHeartbeatTime: AT }),
    condition({ status: "False", message: "m".repeat(1_001) }),
    condition({ $patch: "delete" }),
    status({ conditions: [{ type: "Ready", status: "Unknown" }] }),
    status({ addresses: [{ type: "InternalIP", address: "192.0.2.1" }] }),
    status({
      addresses: Array.from({ length: 20 }, (_, at) => ({
        type: at % 4 === 1 ? "Hostname" : "InternalIP",
        address: at % 3 === 0 ? `2001:db8::${at}` : `192.0.2.${at}`,
      })),
    }, MERGE),
    status({ addresses: [{ type: "InternalIP", address: "€" }] }, MERGE),
    status({ addresses: null }, MERGE),
    status({ images: [{ names: ["a:1", "a@sha256:0"], sizeBytes: 2 ** 40 }] }),
    status({ images: [{ names: null, sizeBytes: 0 }, { sizeBytes: -1 }] }),
    status({ capacity: { cpu: "1500m", memory: "1.5Gi", "a.b/c": "0" } }),
    status({ volumesInUse: ["v"], volumesAttached: [{ name: "v" }] }),
    status({ daemonEndpoints: { kubeletEndpoint: { Port: 10_250 } } }),
    status({ nodeInfo: { kernelVersion: "6.1", swap: { capacity: 1 } } }),
    status({ features: { supplementalGroupsPolicy: true }, phase: "Running" }),
    {
      path: `${own}/status`,
      type: JSON_PATCH,
      body: [{ op: "replace", path: "/metadata/annotations", value: {} }],
    },
  ];
}

const OWNER = {
  ...{ apiVersion: "v1", kind: "ConfigMap", name: "x", uid: "u" },
};
const TAINT = {
  ...{ key: "example.com/t", value: "v", effect: "NoSchedule", timeAdded: AT },
};

const TWO_RANGES = ["10.0.7.0/24", "fd00:0:0:7::/64"];

/** On an API server that has no Nodes yet, and has none of ours afterwards. */
export async function recordNodes(
  admin: KubeApi,
): Promise<readonly Recorded[]> {
  const { metadata } = await admin.get(NODES);
  const from = `resourceVersion=${metadata.resourceVersion}`;
  await admin.create(NODES, {
    metadata: { name: "two", annotations: { [KEY]: "two=" } },
    spec: { podCIDRs: TWO_RANGES, podCIDR: TWO_RANGES[0] },
  });
  await admin.create(NODES, { metadata: { generateName: "any-" } });
  await admin.create(NODES, { metadata: { name: "own" } });
  for (const { path, body, type } of changes()) {
    await admin.patch(path, body, type);
  }
  const list = await recorded(admin, "list", NODES);
  const streamed = await events(
    admin,
    "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=",
  );
  const status = await recorded(admin, "status", `${NODES}/nobody`);
  // With its finalizer it is still there, and says that it goes.
  await admin.delete(`${NODES}/own`);
  const body = { metadata: { finalizers: null } };
  await admin.patch(`${NODES}/own`, body, MERGE);
  for (const { metadata: { name } } of (await admin.get(NODES)).items) {
    await admin.delete(`${NODES}/${name}`);
  }
  return [list, ...streamed, status, ...await events(admin, from)];
}

async function recorded(
  admin: KubeApi,
  what: "list" | "status",
  path: string,
): Promise<Recorded> {
  const json = await admin.open("GET", path);
  const protobuf = await admin.open("GET", path, { accept: PROTOBUF });
  return { what, json: await json.text(), protobuf: await protobuf.bytes() };
}

/** The events of a watch of a second, by their order. */
async function events(
  admin: KubeApi,
  query: string,
): Promise<readonly Recorded[]> {
  const path = `${NODES}?watch=1&timeoutSeconds=1&${query}`;
  const [json, protobuf] = await Promise.all([
    admin.open("GET", path),
    admin.open("GET", path, { accept: PROTOBUF }),
  ]);
  const lines = await split(json, new LineSplitter());
  const frames = await split(protobuf, new FrameSplitter());
  if (lines.length !== frames.length) {
    throw new Error(
      `Cannot record a watch: ${lines.length} lines, ${frames.length} frames`,
    );
  }
  return lines.map((line, at) => ({
    what: "event",
    json: new TextDecoder("utf-8", { ignoreBOM: true }).decode(line),
    protobuf: frames[at] ?? new Uint8Array(),
  }));
}

async function split(
  { body }: Response,
  splitter: { push(chunk: Uint8Array): Iterable<Uint8Array> },
): Promise<readonly Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for await (const chunk of body ?? []) {
    for (const part of splitter.push(chunk)) parts.push(part.slice());
  }
  return parts;
}

/** Counts of what has been recorded, by kind: whoever tests on it knows that it is there. */
export function kindsOf(
  events: readonly WatchEvent[],
): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { kind } of events) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

if (import.meta.main) {
  const [file = ""] = Deno.args;
  await withControlPlane({}, async ({ admin }) => {
    await Deno.writeTextFile(file, recordedText(await recordNodes(admin)));
  });
}
