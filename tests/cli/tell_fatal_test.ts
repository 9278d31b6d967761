import assert from "node:assert/strict";
import type { Config } from "../../mod/core/config.ts";
import { FatalError } from "../../mod/core/errors.ts";
import { tellFatal } from "../../mod/cli/tell_fatal.ts";
import { CONFIG } from "../agent/bench.ts";
import { createNode } from "../fakes/api_nodes.ts";
import { ApiServer } from "../fakes/api_server.ts";

const OVERLAP = new FatalError(
  "Cannot use cluster CIDR 10.0.0.0/16: it holds 10.0.0.1, the default gateway, which would be cut off; give a range that is free with --cluster-cidr, here and to kube-controller-manager",
  1,
  { reason: "ClusterCIDROverlap" },
);

async function withServer(
  body: (server: ApiServer, config: Config) => Promise<void>,
): Promise<void> {
  await using server = ApiServer.start();
  createNode(server.store, { metadata: { name: "n1" } });
  const folder = Deno.makeTempDirSync();
  const kubeconfig = `${folder}/kubeconfig`;
  Deno.writeTextFileSync(
    kubeconfig,
    JSON.stringify({
      "current-context": "c",
      clusters: [{ name: "c", cluster: { server: server.url } }],
      users: [{ name: "u", user: {} }],
      contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    }),
  );
  try {
    await body(server, { ...CONFIG, kubeconfig });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("what ends the agent at its start is one Event, whose series counts the starts", async () => {
  await withServer(async (server, config) => {
    for (const count of [undefined, 2, 3]) {
      await tellFatal(config, OVERLAP);
      const [event, ...others] = server.events.events.values();
      assert.deepEqual(others, []);
      assert.equal(event?.reason, "ClusterCIDROverlap");
      assert.equal(event?.note, OVERLAP.message);
      const series = event?.series as { count?: number } | undefined;
      assert.equal(series?.count, count);
    }
  });
});

Deno.test("a second agent, --events=false and --once write no Event, and a missing right costs nothing", async () => {
  await withServer(async (server, config) => {
    const second = "Another agent holds the link clusternet";
    await tellFatal(config, new FatalError(second, 1));
    await tellFatal({ ...config, events: false }, OVERLAP);
    await tellFatal({ ...config, once: true }, OVERLAP);
    server.denied = ["create events"];
    await tellFatal(config, OVERLAP);
    await tellFatal({ ...config, nodeName: "n2" }, OVERLAP);
    await tellFatal({ ...config, kubeconfig: "/nowhere" }, OVERLAP);
    await server.down();
    await tellFatal(config, OVERLAP);
    assert.deepEqual(server.events.writes, []);
  });
});
