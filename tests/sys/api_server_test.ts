/**
 * The API server of the tests keeps the promises that a real one keeps
 * (`tests/kube/node_api_test.ts` runs the same claims), and breaks them where a
 * test asks for it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import { type ApiLab, call, create, events } from "../contract/api_lab.ts";
import { apiListsContract } from "../contract/api_lists.ts";
import { apiObjectsContract } from "../contract/api_objects.ts";
import { ApiServer, type ApiServerOptions } from "../fakes/api_server.ts";

const MIGHTY = "t1";
const POWERLESS = { token: "t2", user: "system:serviceaccount:kube-system:x" };

interface FakeLab extends ApiLab {
  readonly server: ApiServer;
}

function labOf(server: ApiServer): FakeLab {
  return {
    server,
    powerless: POWERLESS,
    open: async (method, path, { body, type, accept, token = MIGHTY }) => {
      const headers = new Headers({ authorization: `Bearer ${token}` });
      if (accept !== undefined) headers.set("accept", accept);
      if (body !== undefined) {
        headers.set("content-type", type ?? "application/json");
      }
      return await fetch(`${server.url}${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    },
    loseHistory: () => {
      server.store.compact();
      return Promise.resolve();
    },
  };
}

function test(
  name: string,
  body: (lab: FakeLab) => Promise<void>,
  options: ApiServerOptions = {},
): void {
  Deno.test(name, async () => {
    await using server = ApiServer.start({
      tokens: new Map([
        [MIGHTY, "system:admin"],
        [POWERLESS.token, POWERLESS.user],
      ]),
      powerless: POWERLESS.user,
      ...options,
    });
    await body(labOf(server));
  });
}

apiObjectsContract(test);
apiListsContract(test);

test(
  "a streamed list without the storage feature is an ERROR event of 200",
  async (lab) => {
    const [event] = await events(
      lab,
      "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
    );
    assert.equal(event.type, "ERROR");
    assert.equal(event.object.code, 500);
  },
  { streamedLists: false },
);

test(
  "Nodes get the next free ranges of both families, and give them back",
  async (lab) => {
    const range = async (name: string): Promise<readonly string[]> => {
      const { spec } = await create(lab, name);
      assert.equal(spec.podCIDRs, undefined);
      return (await call(lab, `GET /api/v1/nodes/${name}`)).body.spec
        .podCIDRs;
    };
    assert.deepEqual(await range("a"), ["10.0.0.0/24", "fd00:10::/64"]);
    assert.deepEqual(await range("b"), ["10.0.1.0/24", "fd00:10:0:1::/64"]);
    await call(lab, "DELETE /api/v1/nodes/a");
    assert.deepEqual(await range("c"), ["10.0.2.0/24", "fd00:10:0:2::/64"]);
    assert.deepEqual(await range("d"), ["10.0.3.0/24", "fd00:10:0:3::/64"]);
    assert.deepEqual(await range("e"), ["10.0.0.0/24", "fd00:10::/64"]);
  },
  { clusterCidrs: [parsePrefix("10.0.0.0/22"), parsePrefix("fd00:10::/62")] },
);

test("faults come in their order and go", async (lab) => {
  lab.server.faults.add(
    { kind: "status", code: 429, reason: "TooManyRequests", retryAfter: 3 },
    { kind: "status", code: 500, verbs: ["get"], times: 2 },
  );
  const slow = await lab.open("GET", "/api/v1/nodes", {});
  await slow.body?.cancel();
  assert.equal(slow.status, 429);
  assert.equal(slow.headers.get("retry-after"), "3");
  assert.equal((await call(lab, "GET /api/v1/nodes")).status, 200);
  for (const expected of [500, 500, 404]) {
    const { status } = await call(lab, "GET /api/v1/nodes/a");
    assert.equal(status, expected);
  }
});

test("what is not served says so", async (lab) => {
  assert.equal((await call(lab, "GET /api/v1/pods")).status, 404);
  assert.equal((await call(lab, "DELETE /api/v1/nodes")).status, 405);
  const accept = "application/yaml";
  assert.equal((await call(lab, "GET /api/v1/nodes", { accept })).status, 406);
  await create(lab, "a");
  const options = { type: "application/apply-patch+yaml", body: {} };
  const { status } = await call(lab, "PATCH /api/v1/nodes/a", options);
  assert.equal(status, 415);
});

test("a server without protobuf answers in JSON", async (lab) => {
  lab.server.protobuf = false;
  const accept = "application/vnd.kubernetes.protobuf, application/json";
  const answer = await lab.open("GET", "/api/v1/nodes", { accept });
  await answer.body?.cancel();
  assert.equal(answer.headers.get("content-type"), "application/json");
});

Deno.test("as a program it listens, is controlled and ends", async () => {
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
