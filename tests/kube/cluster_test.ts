/**
 * The main job, on Kubernetes itself: two nodes, two pods that the scheduler
 * placed, and who reaches whom.
 *
 * @module
 */

import assert from "node:assert/strict";
import { withoutNetwork } from "./conditions.ts";
import { withCluster } from "./harness.ts";
import { losesNothing, runPod } from "./pods.ts";

Deno.test("two nodes become Ready by the agent, and their pods reach each other", async (t) => {
  await withCluster({}, async (cluster) => {
    await t.step(
      "before the agent a Node is not Ready: there is no CNI configuration",
      async () => {
        for (const { name } of cluster.nodes) {
          await withoutNetwork(cluster.admin, name);
        }
      },
    );
    await t.step("with the agent both are", () => cluster.startAgents());
    await t.step(
      "a pod pings one of the other node, and 100 packets a second come all",
      async () => {
        const [a, b] = await Promise.all([
          runPod(cluster, { name: "a", node: "n1" }),
          runPod(cluster, { name: "b", node: "n2" }),
        ]);
        await a.must(["ping", "-c", "2", "-i", "0.2", b.address]);
        await b.must(["ping", "-c", "2", "-i", "0.2", a.address]);
        await losesNothing([a, b], async () => {
          await new Promise((resolve) => setTimeout(resolve, 1_000));
        });
        const said = await cluster.kubectl([
          "exec",
          "a",
          "--",
          "/bin/hostname",
        ]);
        assert.equal(said.trim(), "a");
      },
    );
  });
});
