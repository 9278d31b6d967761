import assert from "node:assert/strict";
import { withdraw } from "../../mod/cli/uninstall_node.ts";
import { NETWORK_IS_UP } from "../../mod/core/node_condition.ts";
import { CONFIG } from "../agent/bench.ts";
import { createNode } from "../fakes/api_nodes.ts";
import { ApiServer } from "../fakes/api_server.ts";
import { isObject } from "../fakes/api_store.ts";

const READY = { type: "Ready", status: "True" };
const OURS = { type: "NetworkUnavailable", ...NETWORK_IS_UP };
const ANNOTATIONS = { [CONFIG.annotation]: "K=", other: "x" };

Deno.test("withdraw() takes the condition back, with --purge the key too, and nothing else", async () => {
  for (const purge of [false, true]) {
    await using server = ApiServer.start();
    const status = { conditions: [OURS, READY] };
    const metadata = { name: "n1", annotations: ANNOTATIONS };
    createNode(server.store, { metadata, status });
    const service = { config: { ...CONFIG, server: server.url }, env: {} };
    assert.equal(await withdraw(service, { purge }), undefined);
    const node = server.store.get("n1");
    assert(node !== undefined && isObject(node.metadata));
    assert.deepEqual(node.status, { conditions: [READY] });
    assert.deepEqual(
      node.metadata.annotations,
      purge ? { other: "x" } : ANNOTATIONS,
    );
    assert.equal(await withdraw(service, { purge }), undefined, "once more");
    assert.equal(server.count("patch"), 1);
  }
});

Deno.test("withdraw() says why it could not, and is content where the Node is gone", async () => {
  const server = ApiServer.start();
  const service = { config: { ...CONFIG, server: server.url }, env: {} };
  assert.equal(await withdraw(service, { purge: true }), undefined);
  createNode(server.store, {
    metadata: { name: "n1" },
    status: { conditions: [OURS] },
  });
  server.denied = ["patch nodes/status"];
  assert.match(await withdraw(service, { purge: true }) ?? "", /403 Forbidden/);
  await server[Symbol.asyncDispose]();
  assert.match(
    await withdraw(service, { purge: true }) ?? "",
    /^Cannot reach the API server/,
  );
  assert.match(
    await withdraw({ config: CONFIG, env: {} }, { purge: true }) ?? "",
    /^Cannot find the API server/,
  );
});
