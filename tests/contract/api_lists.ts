/**
 * What an API server gives to who lists and watches Nodes, and what it answers
 * to who may not: as far as the agent builds on it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type ApiTest, call, create, events } from "./api_lab.ts";

const PROTOBUF = "application/vnd.kubernetes.protobuf";

export function apiListsContract(test: ApiTest): void {
  test("a list in pages is one state", async (lab) => {
    for (const name of ["e", "c", "a", "d", "b"]) await create(lab, name);
    const first = await call(lab, "GET /api/v1/nodes?limit=2");
    assert.equal(first.body.metadata.remainingItemCount, 3);
    await call(lab, "DELETE /api/v1/nodes/d");
    const token = encodeURIComponent(first.body.metadata.continue);
    const path = `GET /api/v1/nodes?limit=3&continue=${token}`;
    const second = await call(lab, path);
    const names = namesOf([...first.body.items, ...second.body.items]);
    assert.deepEqual(names, ["a", "b", "c", "d", "e"]);
    const { resourceVersion } = first.body.metadata;
    assert.equal(second.body.metadata.resourceVersion, resourceVersion);
    assert.equal(second.body.metadata.continue, undefined);
    assert.equal(second.body.items[0].kind, undefined);
  });

  test("what is older than the history is 410: a page, a list, and a watch as an ERROR event", async (lab) => {
    const { metadata: { resourceVersion: at } } = await create(lab, "a");
    for (const name of ["b", "c", "d"]) await create(lab, name);
    const first = await call(lab, "GET /api/v1/nodes?limit=2");
    await call(lab, "DELETE /api/v1/nodes/d");
    await lab.loseHistory();
    const token = encodeURIComponent(first.body.metadata.continue);
    const expired = await call(lab, `GET /api/v1/nodes?continue=${token}`);
    assert.deepEqual([expired.status, expired.body.reason], [410, "Expired"]);
    const next = encodeURIComponent(expired.body.metadata.continue);
    const rest = await call(lab, `GET /api/v1/nodes?continue=${next}`);
    assert.deepEqual(namesOf(rest.body.items), ["c"], "not of the first state");
    const exact = await call(
      lab,
      `GET /api/v1/nodes?resourceVersion=${at}&resourceVersionMatch=Exact`,
    );
    assert.deepEqual([exact.status, exact.body.reason], [410, "Expired"]);
    const [event] = await events(lab, `resourceVersion=${at}`);
    assert.equal(event.type, "ERROR");
    assert.deepEqual([event.object.code, event.object.reason], [
      410,
      "Expired",
    ]);
    assert.match(
      event.object.message,
      /^too old resource version: \d+ \(\d+\)$/,
    );
  });

  test("a list is as old as was asked for", async (lab) => {
    const { metadata: { resourceVersion: at } } = await create(lab, "a");
    await call(lab, "DELETE /api/v1/nodes/a");
    const count = async (query: string): Promise<number | string> => {
      const { status, body } = await call(lab, `GET /api/v1/nodes?${query}`);
      return status === 200 ? body.items.length : `${status} ${body.message}`;
    };
    const match = (how: string): string =>
      `resourceVersion=${at}&resourceVersionMatch=${how}`;
    assert.equal(await count(""), 0);
    assert.equal(await count(match("Exact")), 1);
    assert.equal(await count(match("NotOlderThan")), 0);
    const future = `${Number(at) + 1_000_000}`;
    assert.match(
      String(
        await count(
          `resourceVersion=${future}&resourceVersionMatch=NotOlderThan`,
        ),
      ),
      new RegExp(
        `^504 Timeout: Too large resource version: ${future}, current: [0-9]+$`,
      ),
    );
  });

  test("a watch begins with the state, or after the version", async (lab) => {
    const { metadata: { resourceVersion: at } } = await create(lab, "a");
    await create(lab, "b");
    await call(lab, "DELETE /api/v1/nodes/a");
    const after = await events(lab, `resourceVersion=${at}`, { count: 2 });
    assert.deepEqual(after.map(({ type }) => type), ["ADDED", "DELETED"]);
    const [added, deleted] = after.map(({ object }) =>
      Number(object.metadata.resourceVersion)
    );
    assert.ok(Number(at) < Number(added) && Number(added) < Number(deleted));
    const state = await events(lab, "timeoutSeconds=1");
    assert.deepEqual(namesOf(state.map(({ object }) => object)), ["b"]);
  });

  test("a streamed list ends with its bookmark and goes on as a watch", async (lab) => {
    await create(lab, "b");
    await create(lab, "a");
    const { promise, resolve } = Promise.withResolvers<void>();
    const watching = events(lab, `${STREAMED}&allowWatchBookmarks=true`, {
      count: 4,
      begun: resolve,
    });
    await promise;
    await call(lab, "DELETE /api/v1/nodes/a");
    const found = await watching;
    const texts = found.map(({ type, object }) =>
      `${type} ${object.metadata.name}`
    );
    assert.deepEqual(texts.slice(0, 2).sort(), ["ADDED a", "ADDED b"]);
    assert.deepEqual(texts.slice(2), ["BOOKMARK undefined", "DELETED a"]);
    const { annotations } = found[2].object.metadata;
    assert.equal(annotations["k8s.io/initial-events-end"], "true");
  });

  test("what is asked in a wrong way is 422, 404, 406 or 415", async (lab) => {
    await create(lab, "a");
    const statusOf = async (
      line: string,
      options: Parameters<typeof call>[2] = {},
    ): Promise<number> => (await call(lab, line, options)).status;
    for (
      const query of [
        "watch=1&sendInitialEvents=true",
        "watch=1&resourceVersionMatch=NotOlderThan",
        "sendInitialEvents=true",
        "resourceVersionMatch=Exact",
      ]
    ) assert.equal(await statusOf(`GET /api/v1/nodes?${query}`), 422, query);
    assert.equal(await statusOf("GET /api/v1/nothing"), 404);
    const accept = "text/plain";
    assert.equal(await statusOf("GET /api/v1/nodes", { accept }), 406);
    const options = { type: "text/plain", body: {} };
    assert.equal(await statusOf("PATCH /api/v1/nodes/a", options), 415);
  });

  test("who has a token that nobody knows is 401, who may not is 403", async (lab) => {
    const unknown = await call(lab, "GET /api/v1/nodes", { token: "unknown" });
    assert.deepEqual([unknown.status, unknown.body.reason], [
      401,
      "Unauthorized",
    ]);
    const { token, user } = lab.powerless;
    const denied = await call(lab, "GET /api/v1/nodes", { token });
    assert.equal(denied.status, 403);
    assert.equal(
      denied.body.message,
      `nodes is forbidden: User "${user}" cannot list resource "nodes" in API group "" at the cluster scope`,
    );
  });

  test("what is taken is answered in the first encoding that there is", async (lab) => {
    await create(lab, "a");
    const typeFor = async (path: string, accept: string): Promise<string> => {
      const response = await lab.open("GET", path, { accept });
      await response.body?.cancel();
      return response.headers.get("content-type") ?? "";
    };
    for (const name of ["", "/a", "/nobody"]) {
      const path = `/api/v1/nodes${name}`;
      for (
        const [accept, expected] of [
          [`${PROTOBUF}, application/json`, PROTOBUF],
          [`application/json, ${PROTOBUF}`, "application/json"],
        ] as const
      ) assert.equal(await typeFor(path, accept), expected, path);
    }
    const watch = "/api/v1/nodes?watch=1&timeoutSeconds=1";
    assert.equal(await typeFor(watch, PROTOBUF), `${PROTOBUF};stream=watch`);
    assert.equal(await typeFor(watch, "application/json"), "application/json");
  });
}

const STREAMED = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

// deno-lint-ignore no-explicit-any
function namesOf(items: readonly any[]): readonly string[] {
  return items.map((item) => item.metadata.name);
}
