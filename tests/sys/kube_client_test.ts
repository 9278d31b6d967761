import assert from "node:assert/strict";
import type { Clock } from "../../mod/core/clock.ts";
import { annotationPatch, type Json } from "../../mod/core/json_patch.ts";
import {
  conditionPatch,
  NETWORK_IS_UP,
  removalPatch,
} from "../../mod/core/node_condition.ts";
import { VERSION } from "../../mod/core/version.ts";
import { systemClock } from "../../mod/sys/clock.ts";
import {
  type KubeAccess,
  NO_CREDENTIALS,
  refreshing,
} from "../../mod/sys/kube_access.ts";
import { KubeClient } from "../../mod/sys/kube_client.ts";
import { ApiError, NetworkError } from "../../mod/sys/kube_error.ts";
import { Secret } from "../../mod/sys/secret.ts";
import { createNode } from "../fakes/api_nodes.ts";
import { ApiServer } from "../fakes/api_server.ts";
import { eventually } from "../support/eventually.ts";
import { scaledClock } from "../support/scaled_clock.ts";
import { openFiles } from "../support/open_files.ts";

const KEY = "clusternet.dev/wg-pubkey";
const NEVER = new AbortController().signal;

function accessTo(
  server: string,
  token?: () => string,
): KubeAccess {
  return refreshing({
    server,
    proxyUrl: undefined,
    serverFrom: "the test",
    source: "the test",
    now: () => systemClock.now(),
    read: () =>
      Promise.resolve({
        ...NO_CREDENTIALS,
        authorization: token && new Secret(`Bearer ${token()}`),
      }),
  });
}

interface Pair extends AsyncDisposable {
  readonly server: ApiServer;
  readonly client: KubeClient;
}

interface PairOptions {
  readonly clock?: Clock;
  readonly token?: () => string;
  /** Nodes come as JSON; else as protobuf. */
  readonly json?: boolean;
}

/** In both encodings. */
function test(name: string, body: (json: boolean) => Promise<void>): void {
  for (const json of [false, true]) {
    const encoding = json ? "JSON" : "protobuf";
    Deno.test(`${name} (${encoding})`, () => body(json));
  }
}

function pair(options: PairOptions = {}): Pair {
  const server = ApiServer.start();
  const client = new KubeClient(accessTo(server.url, options.token), {
    clock: options.clock ?? systemClock,
    annotation: KEY,
    json: options.json ?? false,
  });
  return {
    server,
    client,
    async [Symbol.asyncDispose](): Promise<void> {
      client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** A server that answers anything in one way, and a client of it. */
async function against(
  handler: (request: Request) => Response | Promise<Response>,
  body: (client: KubeClient, url: string) => Promise<void>,
  clock: Clock = systemClock,
): Promise<void> {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    handler,
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  const client = new KubeClient(accessTo(url), { clock, annotation: KEY });
  try {
    await body(client, url);
  } finally {
    client.close();
    await server.shutdown();
  }
}

const page = (client: KubeClient): Promise<unknown> =>
  client.listPage({ limit: 500, continueToken: "" }, NEVER);

Deno.test("a Node is read and patched, by a client that gives its name", async () => {
  await using both = pair();
  const { server, client } = both;
  createNode(server.store, { metadata: { name: "a" } });
  const node = await client.getNode("a", NEVER);
  assert.equal(node.annotations, undefined);
  const patch = annotationPatch(node, KEY, { value: "K=" });
  await client.patchNodeStatus("a", patch, NEVER);
  const after = await client.getNode("a", NEVER);
  assert.deepEqual(after.annotations, { [KEY]: "K=" });
  assert.equal(after.uid, node.uid);
  assert.deepEqual(
    server.requests.map(({ verb, resource }) => `${verb} ${resource}`),
    ["get nodes", "patch nodes/status", "get nodes"],
  );
  for (const { userAgent } of server.requests) {
    assert.equal(userAgent, `clusternet/${VERSION}`);
  }
  await assert.rejects(
    client.patchNodeStatus("a", patch, NEVER), // its test fails now
    (error) => error instanceof ApiError && error.status.code === 422,
  );
});

Deno.test("a Node's condition is written by its type, whatever else is there", async () => {
  await using both = pair();
  const { server, client } = both;
  const ready = { type: "Ready", status: "True" };
  createNode(server.store, {
    metadata: { name: "a" },
    status: { conditions: [ready] },
  });
  const node = await client.getNode("a", NEVER);
  assert.equal(node.networkCondition, undefined);
  const now = "2026-01-01T00:00:00Z";
  const patch = conditionPatch(node, NETWORK_IS_UP, { now });
  for (let times = 0; times < 2; times++) {
    await client.mergeNodeStatus("a", patch, NEVER);
    const { networkCondition } = await client.getNode("a", NEVER);
    const condition = { ...NETWORK_IS_UP, lastTransitionTime: now };
    assert.deepEqual(networkCondition, condition);
  }
  const { status } = server.store.get("a") as { status: Json };
  assert.deepEqual((status as { conditions: Json }).conditions, [ready, {
    type: "NetworkUnavailable",
    ...NETWORK_IS_UP,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  }]);
  const other = conditionPatch({ ...node, uid: "u2" }, NETWORK_IS_UP, { now });
  await assert.rejects(
    client.mergeNodeStatus("a", other, NEVER),
    /422 Invalid.*uid.*field is immutable/,
  );
  const gone = removalPatch(await client.getNode("a", NEVER), {
    annotation: KEY,
  });
  assert(gone !== undefined);
  await client.mergeNodeStatus("a", gone, NEVER);
  const after = await client.getNode("a", NEVER);
  assert.equal(after.networkCondition, undefined);
  assert.equal(removalPatch(after, { annotation: KEY }), undefined);
});

test("pages follow each other and watches bring events, decoded", async (json) => {
  await using both = pair({ json });
  const { server, client } = both;
  for (const name of ["a", "b", "c"]) {
    createNode(server.store, { metadata: { name } });
  }
  const first = await client.listPage({ limit: 2, continueToken: "" }, NEVER);
  assert.deepEqual(first.nodes.map(({ name }) => name), ["a", "b"]);
  const second = await client.listPage(
    { limit: 2, continueToken: first.continueToken },
    NEVER,
  );
  assert.deepEqual(second.nodes.map(({ name }) => name), ["c"]);
  assert.equal(second.continueToken, "");
  const watch = await client.watch({
    resourceVersion: "2",
    initialEvents: false,
    timeoutSeconds: 1,
  }, NEVER);
  const kinds: string[] = [];
  for (;;) {
    const events = await watch.read();
    if (events === undefined) break;
    for (const { kind } of events) kinds.push(kind);
  }
  assert.deepEqual(kinds, ["upsert", "upsert", "bookmark"]);
});

test("watches have connections of their own, all else shares one", async (json) => {
  await using both = pair({ json });
  const { server, client } = both;
  const query = {
    resourceVersion: "1",
    initialEvents: false,
    timeoutSeconds: 60,
  };
  const watch = await client.watch(query, NEVER);
  await page(client);
  await page(client);
  const other = await client.watch(query, NEVER);
  const [one, two, three, four] = server.requests.map(({ clientPort }) =>
    clientPort
  );
  assert.notEqual(one, two);
  assert.equal(two, three);
  assert.notEqual(four, one);
  assert.notEqual(four, two);
  watch.close();
  assert.equal(await watch.read(), undefined);
  client.close();
  assert.equal(await other.read(), undefined);
  await eventually(() => server.watches.size === 0);
});

test("what the API server refuses is said, with the cure", async (json) => {
  await using both = pair({ json });
  const { server, client } = both;
  server.tokens = new Map();
  const rows: readonly (readonly [() => Promise<unknown>, string])[] = [
    [
      () => page(client),
      "Cannot list Nodes: 401 Unauthorized; no credentials were shown: name a user with a client certificate or a token in the test",
    ],
  ];
  for (const [ask, message] of rows) await assert.rejects(ask(), { message });
  server.tokens = undefined;
  server.denied = ["list nodes", "watch nodes", "patch nodes/status"];
  const denied = 'nodes is forbidden: User "system:admin" cannot';
  const scope = 'in API group "" at the cluster scope';
  const role =
    "bind it to the ClusterRole clusternet (kubectl apply -k deploy/kustomize/base)";
  await assert.rejects(page(client), {
    message:
      `Cannot list Nodes: 403 Forbidden: ${denied} list resource "nodes" ${scope}; grant nodes list,watch: ${role}`,
  });
  await assert.rejects(client.patchNodeStatus("a", [], NEVER), {
    message:
      `Cannot patch Node a: 403 Forbidden: ${denied} patch resource "nodes/status" ${scope}; grant nodes/status patch: ${role}`,
  });
  await assert.rejects(client.getNode("a", NEVER), {
    message: 'Cannot read Node a: 404 NotFound: nodes "a" not found',
  });
  server.denied = [];
  server.faults.add({
    kind: "status",
    code: 429,
    reason: "TooManyRequests",
    message: "busy",
    retryAfter: 7,
  });
  await assert.rejects(page(client), (error: unknown) => {
    assert(error instanceof ApiError);
    assert.equal(error.retryAfterSeconds, 7);
    assert.equal(
      error.message,
      "Cannot list Nodes: 429 TooManyRequests: busy; waiting as asked",
    );
    return true;
  });
});

Deno.test("an answer that is not the API's is told by its status", async () => {
  await against(
    () => new Response("<html>Bad gateway</html>", { status: 502 }),
    (client) =>
      assert.rejects(page(client), {
        message: "Cannot list Nodes: 502 Bad Gateway",
      }),
  );
  await against(
    () =>
      new Response(null, {
        status: 302,
        headers: { location: "http://127.0.0.1:1/" },
      }),
    (client) =>
      assert.rejects(page(client), {
        message:
          "Cannot list Nodes: 302 Found: a redirect, which is not followed",
      }),
  );
  await against(
    () => new Response("<html>Welcome</html>"),
    async (client) => {
      await assert.rejects(page(client), SyntaxError);
      await assert.rejects(client.getNode("a", NEVER), {
        message: "Cannot read Node a: the answer is no Node",
      });
    },
  );
});

Deno.test("the server's version is what it says, and a refusal is an error like any other", async () => {
  await using both = pair();
  const { server, client } = both;
  assert.equal(await client.serverVersion(NEVER), "v1.36.3");
  server.version = undefined;
  await assert.rejects(client.serverVersion(NEVER), /403/);
  await against(() => Response.json([1]), async (strange) => {
    assert.equal(await strange.serverVersion(NEVER), undefined);
  });
});

Deno.test("a server that is not there is told from one that is", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const rows: readonly (readonly [string, RegExp])[] = [
    [`http://127.0.0.1:${port}`, /: connection refused$/],
    [
      "http://no.such.host.invalid",
      /: the name no\.such\.host\.invalid cannot be resolved; see \/etc\/resolv\.conf /,
    ],
    [
      "http://user:pw@127.0.0.1:6000",
      /\/\/127\.0\.0\.1:6000 \(the test\): the runtime refuses to connect to this port$/,
    ],
  ];
  for (const [url, pattern] of rows) {
    const client = new KubeClient(accessTo(url), {
      clock: systemClock,
      annotation: KEY,
    });
    await assert.rejects(page(client), (error: unknown) => {
      assert(error instanceof NetworkError);
      assert.match(error.message, /^Cannot reach the API server http:\/\//);
      assert.match(error.message, pattern);
      return true;
    });
    client.close();
  }
  await against(
    () => new Response("x"),
    async (_, url) => {
      const client = new KubeClient(accessTo(url.replace("http", "https")), {
        clock: systemClock,
        annotation: KEY,
      });
      await assert.rejects(
        page(client),
        /: it does not speak TLS on this port$/,
      );
      client.close();
    },
  );
});

Deno.test("no answer, half an answer and an endless answer have their deadlines", async () => {
  await using both = pair({ clock: scaledClock(150) });
  const { server, client } = both;
  server.faults.add({ kind: "hang", verbs: ["list"] });
  await assert.rejects(page(client), /: no answer within 30 s$/);
  const stalled = new ReadableStream({
    start: (controller) => controller.enqueue(new Uint8Array([123])),
  });
  await against(
    () => new Response(stalled),
    (slow) => assert.rejects(page(slow), /: silent for 30 s$/),
    scaledClock(150),
  );
  const bytes = new Uint8Array(1024 * 1024).fill(32);
  await against(
    () =>
      new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(bytes.slice()),
        }),
      ),
    (endless) =>
      assert.rejects(page(endless), /an answer of over 134217728 bytes$/),
  );
  // After all that a request goes through, on a new connection.
  await page(client);
});

Deno.test("an abort ends a request at once, whatever its phase", async () => {
  await using both = pair();
  const { server, client } = both;
  server.faults.add({ kind: "hang", verbs: ["list", "watch"], times: 2 });
  const query = {
    resourceVersion: "1",
    initialEvents: false,
    timeoutSeconds: 9,
  };
  for (
    const ask of [
      (signal: AbortSignal) =>
        client.listPage({ limit: 1, continueToken: "" }, signal),
      (signal: AbortSignal) => client.watch(query, signal),
    ]
  ) {
    const start = performance.now();
    await assert.rejects(ask(AbortSignal.timeout(50)));
    assert(performance.now() - start < 900);
  }
  const stalled = new ReadableStream({
    start: (controller) => controller.enqueue(new Uint8Array([123])),
  });
  await against(() => new Response(stalled), async (slow) => {
    const start = performance.now();
    await assert.rejects(
      slow.listPage({ limit: 1, continueToken: "" }, AbortSignal.timeout(50)),
    );
    assert(performance.now() - start < 900);
  });
  await assert.rejects(
    client.getNode("a", AbortSignal.abort(new Error("stopped"))),
    /stopped/,
  );
});

Deno.test("a refused token is read again, and tried again only if it is another", async () => {
  let token = "old";
  await using both = pair({ token: () => token });
  const { server, client } = both;
  server.tokens = new Map([["old", "x"], ["new", "x"]]);
  await page(client);
  server.tokens = new Map([["new", "x"]]);
  token = "new";
  await page(client); // within the minute: old, refused, new
  assert.deepEqual(server.requests.map((request) => request.token), [
    "old",
    "old",
    "new",
  ]);
  server.tokens = new Map();
  await assert.rejects(page(client), /401/);
  assert.equal(server.requests.length, 4);
});

Deno.test("Node names are one segment of the path, whatever is in them", async () => {
  await using both = pair();
  const { client, server } = both;
  for (const name of ["a/status", "a/../../x", "a?watch=1", "a#b", "a%2fb"]) {
    await assert.rejects(client.getNode(name, NEVER), {
      message:
        `Cannot read Node ${name}: 404 NotFound: nodes "${name}" not found`,
    });
    const { resource, verb } = server.requests.at(-1) ?? {};
    assert.deepEqual([verb, resource], ["get", "nodes"]);
  }
});

Deno.test("clients and bodies are given up: two hundred requests leave nothing open", async () => {
  await using both = pair();
  const { client, server } = both;
  const query = {
    resourceVersion: "1",
    initialEvents: false,
    timeoutSeconds: 60,
  };
  const before = openFiles();
  for (let round = 0; round < 100; round++) {
    const watch = await client.watch(query, NEVER);
    watch.close();
    await client.getNode("none", NEVER).catch(() => {});
  }
  await eventually(() => server.watches.size === 0);
  // Other test files run in this process meanwhile, and open a few of their own.
  const more = openFiles() - before;
  assert(more < 80, `${more} more descriptors after 100 watches`);
});
