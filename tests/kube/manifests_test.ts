/**
 * A real API server takes what `deploy/` gives to a cluster, and the
 * documentation's example does what it says.
 *
 * @module
 */

import assert from "node:assert/strict";
import { withControlPlane } from "./harness.ts";
import type { KubeApi, KubeObject } from "./kube_api.ts";
import {
  chart,
  environmentOf,
  KUSTOMIZE,
  kustomized,
  mustRunTool,
  ownKustomization,
  PAIRS,
  podOf,
} from "./kubectl.ts";
import {
  agentToken,
  applyFolder,
  applyWithoutPolicies,
  makeNodes,
  tryCase,
  untilRefused,
} from "./policies.ts";
import { KEY, PUBLIC_KEY } from "./policy_cases.ts";

Deno.test("a real API server takes what deploy/ gives, and the documentation's example", async (t) => {
  await withControlPlane({}, async (plane) => {
    const { admin } = plane;
    const kubeconfig = plane.kubeconfig("admin", ["system:masters"]);
    await makeNodes(admin);
    await applyWithoutPolicies(plane);
    for (const [folder, values] of PAIRS) {
      await t.step(`it takes ${folder}, and the chart's`, async () => {
        const dryRun = "--dry-run=server";
        const ours = await applyFolder(plane, `${KUSTOMIZE}/${folder}`, dryRun);
        const theirs = await mustRunTool("kubectl", [
          ...["apply", dryRun, "--filename", "-"],
        ], { kubeconfig, stdin: JSON.stringify(listOf(await chart(values))) });
        for (const said of [ours, theirs]) {
          assert.ok(said.trimEnd().split("\n").length >= 4, said);
          assert.doesNotMatch(said, /Warning/);
        }
      });
    }
    await t.step(
      "its namespace takes the pods, one that enforces baseline does not",
      async () => {
        const spec = podOf(await kustomized(`${KUSTOMIZE}/base`));
        assert.equal(await tryPod(admin, "clusternet", spec), 201);
        await makeBaselineNamespace(admin, "baseline");
        assert.equal(await tryPod(admin, "baseline", spec), 403);
      },
    );
    await t.step(
      "the example of docs/install.md names another annotation to agents and policy",
      async () => {
        await using own = await ownKustomization(exampleOfDocs());
        const objects = await kustomized(own.path);
        const { containers: [agent] } = podOf(objects);
        assert.equal(agent.image, "registry.example.org/clusternet:0.1.0");
        const environment = environmentOf(agent);
        assert.equal(environment.CLUSTERNET_CLUSTER_CIDR, "10.244.0.0/16");
        assert.equal(
          environment.CLUSTERNET_ANNOTATION,
          "example.org/wg-pubkey",
        );
        assert.equal(environment.KUBERNETES_SERVICE_HOST, "192.0.2.1");
        await applyFolder(plane, own.path);
        using agent1 = plane.withToken(await agentToken(admin, "n1"));
        const publish = (key: string): ReturnType<typeof tryCase> =>
          tryCase(agent1, {
            name: `sets ${key}`,
            patch: { metadata: { annotations: { [key]: PUBLIC_KEY } } },
          });
        await untilRefused("clusternet-own-node", () => publish(KEY));
        const { status, body } = await publish("example.org/wg-pubkey");
        assert.equal(status, 200, body.message);
      },
    );
  });
});

function listOf(items: readonly KubeObject[]): KubeObject {
  return { apiVersion: "v1", kind: "List", items };
}

async function tryPod(
  admin: KubeApi,
  namespace: string,
  spec: KubeObject,
): Promise<number> {
  const { status } = await admin.call(
    "POST",
    `/api/v1/namespaces/${namespace}/pods?dryRun=All`,
    { body: { metadata: { name: "agent" }, spec } },
  );
  return status;
}

async function makeBaselineNamespace(
  admin: KubeApi,
  name: string,
): Promise<void> {
  await admin.create("/api/v1/namespaces", {
    metadata: {
      name,
      labels: { "pod-security.kubernetes.io/enforce": "baseline" },
    },
  });
  await admin.create(`/api/v1/namespaces/${name}/serviceaccounts`, {
    metadata: { name: "clusternet" },
  });
}

function exampleOfDocs(): string {
  const text = Deno.readTextFileSync(
    new URL("../../docs/install.md", import.meta.url),
  );
  const [, example] =
    /```yaml\n(apiVersion: kustomize[\s\S]*?)```/.exec(text) ??
      [];
  assert.ok(example !== undefined, "no example");
  return example;
}
