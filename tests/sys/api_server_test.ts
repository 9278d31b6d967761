/**
 * The API server of the tests keeps the promises of the real one that the
 * agent builds on; the same claims are meant to be run against a real one.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import { annotationPatch, type Json } from "../../mod/core/json_patch.ts";
import { ApiServer, type ApiServerOptions } from "../fakes/api_server.ts";

const PATCH = "application/json-patch+json";

interface Answer {
  readonly status: number;
  // deno-lint-ignore no-explicit-any
  readonly body: any;
  readonly headers: Headers;
}

async function call(
  server: ApiServer,
  line: string,
  options: { body?: Json; type?: string; token?: string; accept?: string } = {},
): Promise<Answer> {
  const [method = "GET", path = "/"] = line.split(" ");
  const headers = new Headers();
  if (options.token) headers.set("authorization", `Bearer ${options.token}`);
  if (options.accept) headers.set("accept", options.accept);
  if (options.body !== undefined) {
    headers.set("content-type", options.type ?? "application/json");
  }
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers,
    ...(options.body === undefined
      ? {}
      : { body: JSON.stringify(options.body) }),
  });
  const body = await response.json();
  return { status: response.status, body, headers: response.headers };
}

function node(name: string, more: Readonly<Record<string, Json>> = {}): Json {
  return {
    kind: "Node",
    apiVersion: "v1",
    metadata: { name },
    status: { addresses: [{ type: "InternalIP", address: "192.0.2.1" }] },
    ...more,
  };
}

/** The events of a watch, until it ends or `count` have come. */
async function events(
  server: ApiServer,
  query: string,
  count = Infinity,
  // deno-lint-ignore no-explicit-any
): Promise<any[]> {
  const response = await fetch(`${server.url}/api/v1/nodes?watch=1&${query}`);
  assert.equal(response.status, 200);
  // deno-lint-ignore no-explicit-any
  const found: any[] = [];
  let rest = "";
  assert(response.body);
  for await (
    const text of response.body.pipeThrough(new TextDecoderStream())
  ) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) found.push(JSON.parse(line));
    if (found.length >= count) break;
  }
  return found;
}

function test(
  name: string,
  body: (server: ApiServer) => Promise<void>,
  options: ApiServerOptions = {},
): void {
  Deno.test(name, async () => {
    await using server = ApiServer.start(options);
    await body(server);
  });
}

test("a Node is created, read, updated and deleted", async (server) => {
  const made = await call(server, "POST /api/v1/nodes", { body: node("a") });
  assert.equal(made.status, 201);
  assert.match(made.body.metadata.uid, /^[0-9a-f-]{36}$/);
  assert.match(made.body.metadata.creationTimestamp, /^[-0-9]+T[:0-9]+Z$/);
  const twice = await call(server, "POST /api/v1/nodes", { body: node("a") });
  assert.equal(twice.status, 409);
  assert.equal(twice.body.reason, "AlreadyExists");

  const read = await call(server, "GET /api/v1/nodes/a");
  assert.deepEqual(read.body, made.body);
  const stale = { ...made.body.metadata, resourceVersion: "1" };
  const lost = await call(server, "PUT /api/v1/nodes/a", {
    body: { ...made.body, metadata: stale },
  });
  assert.equal(lost.status, 409);
  assert.match(lost.body.message, /please apply your changes to the latest/);

  const gone = await call(server, "DELETE /api/v1/nodes/a");
  assert.equal(gone.body.status, "Success");
  const missing = await call(server, "GET /api/v1/nodes/a");
  assert.equal(missing.status, 404);
  assert.equal(missing.body.message, 'nodes "a" not found');
});

test("names and podCIDRs are validated; podCIDRs are set once", async (server) => {
  for (const name of ["", "A", "a_b", 'a"b', "-a"]) {
    const { status } = await call(server, "POST /api/v1/nodes", {
      body: node(name),
    });
    assert.equal(status, 422, name);
  }
  const rows: readonly (readonly string[])[] = [
    ["10.0.0.0"],
    ["10.0.0.0/33"],
    ["10.0.0.0/24", "10.0.1.0/24"],
  ];
  for (const podCIDRs of rows) {
    const { status } = await call(server, "POST /api/v1/nodes", {
      body: node("b", { spec: { podCIDRs } }),
    });
    assert.equal(status, 422, podCIDRs.join());
  }
  await call(server, "POST /api/v1/nodes", {
    body: node("b", { spec: { podCIDR: "10.0.0.0/24" } }),
  });
  const { body } = await call(server, "GET /api/v1/nodes/b");
  assert.deepEqual(body.spec.podCIDRs, ["10.0.0.0/24"]);
  const changed = await call(server, "PATCH /api/v1/nodes/b", {
    type: PATCH,
    body: [{ op: "replace", path: "/spec/podCIDRs", value: ["10.0.9.0/24"] }],
  });
  assert.equal(changed.status, 422);
  assert.match(changed.body.message, /may not change podCIDR/);
});

test("a strategic merge patch merges conditions and addresses by type", async (server) => {
  const type = "application/strategic-merge-patch+json";
  const ready = { type: "Ready", status: "True", reason: "r" };
  const disk = { type: "DiskPressure", status: "False" };
  const made = await call(server, "POST /api/v1/nodes", {
    body: node("a", { status: { conditions: [ready, disk] } }),
  });
  const patch = async (body: Json): Promise<Answer> =>
    await call(server, "PATCH /api/v1/nodes/a/status", { type, body });
  const rows: readonly (readonly [Json, Json])[] = [
    [[{ type: "Ready", status: "False" }], [
      { ...ready, status: "False" },
      disk,
    ]],
    [[{ type: "New", status: "True" }], [
      { ...ready, status: "False" },
      disk,
      { type: "New", status: "True" },
    ]],
    [[{ $patch: "delete", type: "Ready" }], [
      disk,
      { type: "New", status: "True" },
    ]],
    [[{ $patch: "delete", type: "none" }], [
      disk,
      { type: "New", status: "True" },
    ]],
  ];
  for (const [conditions, expected] of rows) {
    const { body } = await patch({ status: { conditions } });
    assert.deepEqual(body.status.conditions, expected);
  }
  const spec = await patch({ spec: { unschedulable: true } });
  assert.deepEqual(spec.body.spec, {}, "the spec is another resource");
  const { uid } = made.body.metadata;
  assert.equal((await patch({ metadata: { uid } })).status, 200);
  const other = await patch({ metadata: { uid: "other" } });
  assert.deepEqual([other.status, other.body.reason], [422, "Invalid"]);
  const nameless = await patch({ status: { conditions: [{ status: "x" }] } });
  assert.equal(nameless.status, 400);
});

test("nodes/status takes annotations and leaves the spec alone", async (server) => {
  const { body: made } = await call(server, "POST /api/v1/nodes", {
    body: node("a"),
  });
  const ops = annotationPatch(made.metadata, "clusternet.dev/wg-pubkey", {
    value: "K=",
  });
  const line = "PATCH /api/v1/nodes/a/status";
  const once = await call(server, line, { type: PATCH, body: ops });
  assert.equal(once.status, 200);
  assert.deepEqual(once.body.metadata.annotations, {
    "clusternet.dev/wg-pubkey": "K=",
  });
  // The patch was for the Node without annotations: now its test fails.
  const again = await call(server, line, { type: PATCH, body: ops });
  assert.equal(again.status, 422);
  assert.equal(again.body.reason, "Invalid");

  const spec = await call(server, line, {
    type: "application/merge-patch+json",
    body: { spec: { podCIDRs: ["10.0.0.0/24"], unschedulable: true } },
  });
  assert.equal(spec.status, 200);
  assert.deepEqual(spec.body.spec, {});
  const status = await call(server, "PATCH /api/v1/nodes/a", {
    type: "application/merge-patch+json",
    body: { status: { addresses: [] } },
  });
  assert.equal(status.body.status.addresses.length, 1);
});

test("a patch that changes nothing writes nothing", async (server) => {
  await call(server, "POST /api/v1/nodes", { body: node("a") });
  const before = server.store.version;
  const { body } = await call(server, "PATCH /api/v1/nodes/a", {
    type: "application/merge-patch+json",
    body: { metadata: { labels: {} } },
  });
  assert.equal(body.metadata.resourceVersion, String(before));
  assert.equal(server.store.version, before);
});

test("a list in pages is one state, until it is compacted", async (server) => {
  for (const name of ["e", "c", "a", "d", "b"]) {
    await call(server, "POST /api/v1/nodes", { body: node(name) });
  }
  const first = await call(server, "GET /api/v1/nodes?limit=2");
  assert.equal(first.body.metadata.remainingItemCount, 3);
  await call(server, "DELETE /api/v1/nodes/d");
  const token = encodeURIComponent(first.body.metadata.continue);
  const path = `GET /api/v1/nodes?limit=3&continue=${token}`;
  const second = await call(server, path);
  const names = [...first.body.items, ...second.body.items].map((item) =>
    item.metadata.name
  );
  assert.deepEqual(names, ["a", "b", "c", "d", "e"]);
  const { resourceVersion } = first.body.metadata;
  assert.equal(second.body.metadata.resourceVersion, resourceVersion);
  assert.equal(second.body.metadata.continue, undefined);
  assert.equal(second.body.items[0].kind, undefined);

  server.store.compact();
  const expired = await call(server, path);
  assert.equal(expired.status, 410);
  assert.equal(expired.body.reason, "Expired");
  const rest = encodeURIComponent(expired.body.metadata.continue);
  const inconsistent = await call(server, `GET /api/v1/nodes?continue=${rest}`);
  assert.deepEqual(
    // deno-lint-ignore no-explicit-any
    inconsistent.body.items.map((item: any) => item.metadata.name),
    ["c", "e"],
  );
});

test("a list is as old as was asked for", async (server) => {
  await call(server, "POST /api/v1/nodes", { body: node("a") });
  const at = server.store.version;
  await call(server, "DELETE /api/v1/nodes/a");
  const count = async (query: string): Promise<number | string> => {
    const { status, body } = await call(server, `GET /api/v1/nodes?${query}`);
    return status === 200 ? body.items.length : body.message;
  };
  assert.equal(await count(""), 0);
  assert.equal(
    await count(`resourceVersion=${at}&resourceVersionMatch=Exact`),
    1,
  );
  assert.equal(
    await count(`resourceVersion=${at}&resourceVersionMatch=NotOlderThan`),
    0,
  );
  assert.equal(
    await count("resourceVersion=99&resourceVersionMatch=NotOlderThan"),
    "Timeout: Too large resource version: 99, current: 3",
  );
});

test("a watch begins with the state, or after the version", async (server) => {
  await call(server, "POST /api/v1/nodes", { body: node("a") });
  const at = server.store.version;
  await call(server, "POST /api/v1/nodes", { body: node("b") });
  await call(server, "DELETE /api/v1/nodes/a");
  const after = await events(server, `resourceVersion=${at}`, 2);
  assert.deepEqual(after.map(({ type }) => type), ["ADDED", "DELETED"]);
  assert.equal(
    after[1].object.metadata.resourceVersion,
    String(server.store.version),
  );
  const state = await events(server, "timeoutSeconds=1");
  assert.deepEqual(state.map(({ object }) => object.metadata.name), ["b"]);
});

test("a streamed list ends with its bookmark and goes on as a watch", async (server) => {
  await call(server, "POST /api/v1/nodes", { body: node("b") });
  await call(server, "POST /api/v1/nodes", { body: node("a") });
  const query =
    "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
  const watching = events(server, query, 4);
  while (server.watches.size === 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await call(server, "DELETE /api/v1/nodes/a");
  const found = await watching;
  assert.deepEqual(
    found.map(({ type, object }) => [type, object.metadata.name]),
    [["ADDED", "a"], ["ADDED", "b"], ["BOOKMARK", undefined], ["DELETED", "a"]],
  );
  assert.equal(
    found[2].object.metadata.annotations["k8s.io/initial-events-end"],
    "true",
  );
});

test(
  "a streamed list without the storage feature is an ERROR event of 200",
  async (server) => {
    const [event] = await events(
      server,
      "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
    );
    assert.equal(event.type, "ERROR");
    assert.equal(event.object.code, 500);
    const { status } = await call(
      server,
      "GET /api/v1/nodes?watch=1&sendInitialEvents=true",
    );
    assert.equal(status, 422);
  },
  { streamedLists: false },
);

test("a watch from a compacted version is an ERROR event 410", async (server) => {
  await call(server, "POST /api/v1/nodes", { body: node("a") });
  await call(server, "POST /api/v1/nodes", { body: node("b") });
  server.store.compact();
  const [event] = await events(server, "resourceVersion=2");
  assert.equal(event.type, "ERROR");
  assert.equal(event.object.code, 410);
  assert.equal(event.object.reason, "Expired");
  assert.equal(event.object.message, "too old resource version: 2 (3)");
});

test(
  "Nodes get the next free ranges of both families, and give them back",
  async (server) => {
    const range = async (name: string): Promise<readonly string[]> => {
      const { body } = await call(server, "POST /api/v1/nodes", {
        body: node(name),
      });
      assert.equal(body.spec.podCIDRs, undefined);
      return (await call(server, `GET /api/v1/nodes/${name}`)).body.spec
        .podCIDRs;
    };
    assert.deepEqual(await range("a"), ["10.0.0.0/24", "fd00:10::/64"]);
    assert.deepEqual(await range("b"), ["10.0.1.0/24", "fd00:10:0:1::/64"]);
    await call(server, "DELETE /api/v1/nodes/a");
    assert.deepEqual(await range("c"), ["10.0.2.0/24", "fd00:10:0:2::/64"]);
    assert.deepEqual(await range("d"), ["10.0.3.0/24", "fd00:10:0:3::/64"]);
    assert.deepEqual(await range("e"), ["10.0.0.0/24", "fd00:10::/64"]);
  },
  { clusterCidrs: [parsePrefix("10.0.0.0/22"), parsePrefix("fd00:10::/62")] },
);

test("who has no token is 401, who may not is 403", async (server) => {
  const none = await call(server, "GET /api/v1/nodes");
  assert.equal(none.status, 401);
  assert.equal(none.body.reason, "Unauthorized");
  const token = "t1";
  assert.equal(
    (await call(server, "GET /api/v1/nodes", { token })).status,
    200,
  );
  server.denied = ["list nodes"];
  const denied = await call(server, "GET /api/v1/nodes", { token });
  assert.equal(denied.status, 403);
  assert.equal(
    denied.body.message,
    'nodes is forbidden: User "system:serviceaccount:kube-system:x" cannot list resource "nodes" in API group "" at the cluster scope',
  );
}, { tokens: new Map([["t1", "system:serviceaccount:kube-system:x"]]) });

test("faults come in their order and go", async (server) => {
  server.faults.add(
    { kind: "status", code: 429, reason: "TooManyRequests", retryAfter: 3 },
    { kind: "status", code: 500, verbs: ["get"], times: 2 },
  );
  const slow = await call(server, "GET /api/v1/nodes");
  assert.equal(slow.status, 429);
  assert.equal(slow.headers.get("retry-after"), "3");
  assert.equal((await call(server, "GET /api/v1/nodes")).status, 200);
  assert.equal((await call(server, "GET /api/v1/nodes/a")).status, 500);
  assert.equal((await call(server, "GET /api/v1/nodes/a")).status, 500);
  assert.equal((await call(server, "GET /api/v1/nodes/a")).status, 404);
});

test("what is not served says so", async (server) => {
  assert.equal((await call(server, "GET /api/v1/pods")).status, 404);
  assert.equal((await call(server, "DELETE /api/v1/nodes")).status, 405);
  for (const accept of ["text/plain", "application/yaml"]) {
    const { status } = await call(server, "GET /api/v1/nodes", { accept });
    assert.equal(status, 406);
  }
  await call(server, "POST /api/v1/nodes", { body: node("a") });
  const type = "application/apply-patch+yaml";
  assert.equal(
    (await call(server, "PATCH /api/v1/nodes/a", { type, body: {} })).status,
    415,
  );
});

test("what is taken is answered in the first encoding that there is", async (server) => {
  await call(server, "POST /api/v1/nodes", { body: node("a") });
  const protobuf = "application/vnd.kubernetes.protobuf";
  const typeFor = async (path: string, accept: string): Promise<string> => {
    const response = await fetch(`${server.url}${path}`, {
      headers: { accept },
    });
    await response.body?.cancel();
    return response.headers.get("content-type") ?? "";
  };
  for (const path of ["/api/v1/nodes", "/api/v1/nodes/a", "/api/v1/nodes/b"]) {
    assert.equal(
      await typeFor(path, `${protobuf}, application/json`),
      protobuf,
    );
    assert.equal(
      await typeFor(path, `application/json, ${protobuf}`),
      "application/json",
    );
  }
  const watch = "/api/v1/nodes?watch=1";
  assert.equal(await typeFor(watch, protobuf), `${protobuf};stream=watch`);
  server.protobuf = false;
  const both = `${protobuf}, application/json`;
  assert.equal(await typeFor("/api/v1/nodes", both), "application/json");
});

test("as a program it listens, is controlled and ends", async () => {
  const main = new URL("../fakes/api_server_main.ts", import.meta.url);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", main.pathname, "--listen", "127.0.0.1:0"],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await reader.read();
  const [, url] = /^ready (http:\/\/127\.0\.0\.1:[0-9]+)\n$/.exec(value) ?? [];
  assert(url, value);
  const hostile = { metadata: { name: 7, annotations: null }, spec: "x" };
  const put = await fetch(`${url}/fake/nodes/bad`, {
    method: "PUT",
    body: JSON.stringify(hostile),
  });
  assert.equal(put.status, 204);
  const list = await (await fetch(`${url}/api/v1/nodes`)).json();
  assert.equal(list.items.length, 1);
  assert.equal(list.items[0].spec, "x");
  const counts = await (await fetch(`${url}/fake/requests`)).json();
  assert.deepEqual(counts, { "list nodes": 1 });
  child.kill("SIGTERM");
  await child.status;
  await reader.cancel();
});
