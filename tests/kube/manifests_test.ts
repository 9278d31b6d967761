/**
 * A real API server takes what `deploy/` gives to a cluster, and the
 * documentation's example does what it says.
 *
 * @module
 */

import assert from "node:assert/strict";
import { load } from "js-yaml";
import type { ControlPlane } from "./control_plane.ts";
import { withControlPlane } from "./harness.ts";
import { conditionOf, type KubeApi, type KubeObject } from "./kube_api.ts";
import {
  CHART,
  chart,
  environmentOf,
  KUSTOMIZE,
  kustomized,
  mustRunTool,
  ownKustomization,
  PAIRS,
  podOf,
  runTool,
} from "./kubectl.ts";
import { podMonitorCrd } from "./pod_monitor_crd.ts";
import {
  agentToken,
  applyFolder,
  applyWithoutPolicies,
  makeNodes,
  tryCase,
  untilRefused,
} from "./policies.ts";
import { KEY, PUBLIC_KEY } from "./policy_cases.ts";

type Steps = Readonly<Record<string, () => Promise<void>>>;

Deno.test("a real API server takes what deploy/ gives, and the documentation's example", async (t) => {
  await withControlPlane({}, async (plane) => {
    await makeNodes(plane.admin);
    await applyWithoutPolicies(plane);
    const steps: Steps = {
      ...Object.fromEntries(
        PAIRS.map((pair) => [
          `it takes ${pair[0]}, and the chart's`,
          () => isTaken(plane, pair),
        ]),
      ),
      "its namespace takes the pods, one that enforces baseline does not": () =>
        needsNamespace(plane),
      "the example of docs/install.md names another annotation to agents and policy":
        () => exampleHolds(plane),
      "helm takes over what kubectl has applied, and takes it away": () =>
        helmTakesOver(plane),
      "with the kind of Prometheus' operator it takes the PodMonitor of the component and of the chart, and no misspelt one":
        () => takesPodMonitors(plane),
      "Kubernetes finds no fault in the types of the policies": () =>
        typesAreRight(plane),
    };
    for (const [name, body] of Object.entries(steps)) await t.step(name, body);
  });
});

async function isTaken(
  plane: ControlPlane,
  [folder, values]: typeof PAIRS[number],
): Promise<void> {
  const kubeconfig = plane.kubeconfig("admin", ["system:masters"]);
  const dryRun = "--dry-run=server";
  const ours = await applyFolder(plane, `${KUSTOMIZE}/${folder}`, dryRun);
  const theirs = await mustRunTool("kubectl", [
    ...["apply", dryRun, "--filename", "-"],
  ], { kubeconfig, stdin: JSON.stringify(listOf(await chart(values))) });
  for (const said of [ours, theirs]) {
    assert.ok(said.trimEnd().split("\n").length >= 4, said);
  }
}

async function needsNamespace({ admin }: ControlPlane): Promise<void> {
  const spec = podOf(await kustomized(`${KUSTOMIZE}/base`));
  assert.equal(await tryPod(admin, "clusternet", spec), 201);
  await makeBaselineNamespace(admin, "baseline");
  assert.equal(await tryPod(admin, "baseline", spec), 403);
}

async function exampleHolds(plane: ControlPlane): Promise<void> {
  const { admin } = plane;
  await using own = await ownKustomization(exampleOfDocs());
  const { containers: [agent] } = podOf(await kustomized(own.path));
  assert.equal(agent.image, "registry.example.org/clusternet:0.1.0");
  const environment = environmentOf(agent);
  assert.equal(environment.CLUSTERNET_CLUSTER_CIDR, "10.244.0.0/16");
  assert.equal(environment.CLUSTERNET_ANNOTATION, "example.org/wg-pubkey");
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
}

async function typesAreRight(plane: ControlPlane): Promise<void> {
  await applyFolder(plane, `${KUSTOMIZE}/base`);
  plane.startControllers();
  for (const part of ["own-node", "own-events", "pod-cidrs"]) {
    const name = `clusternet-${part}`;
    const { status } = await plane.admin.until(
      `/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/${name}`,
      ({ metadata, status }) =>
        status?.observedGeneration === metadata.generation,
      { what: `the policy ${name} is looked at` },
    );
    assert.deepEqual(status.typeChecking, {});
  }
}

const MONITORS =
  "/apis/monitoring.coreos.com/v1/namespaces/clusternet/podmonitors";

/** As a person applies it, fields that nobody knows refused. */
function applyStrictly(
  plane: ControlPlane,
  objects: readonly KubeObject[],
): ReturnType<typeof runTool> {
  return runTool("kubectl", [
    ...["apply", "--server-side", "--force-conflicts", "--validate=strict"],
    ...["--filename", "-"],
  ], {
    kubeconfig: plane.kubeconfig("admin", ["system:masters"]),
    stdin: JSON.stringify(listOf(objects)),
  });
}

async function takesPodMonitors(plane: ControlPlane): Promise<void> {
  const { admin } = plane;
  await using own = await ownKustomization(`
    apiVersion: kustomize.config.k8s.io/v1beta1
    kind: Kustomization
    resources: [../kustomize/base]
    components: [../kustomize/components/pod-monitor]
  `);
  const ours = await kustomized(own.path);
  const before = await applyStrictly(plane, ours);
  assert.match(before.stderr, /no matches for kind "PodMonitor"/);
  const crd: KubeObject = load(await podMonitorCrd());
  const { code, stderr } = await applyStrictly(plane, [crd]);
  assert.equal(code, 0, stderr);
  await admin.until(
    `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${crd.metadata.name}`,
    (kind) => conditionOf(kind, "Established")?.status === "True",
    { what: "the API server knows the kind" },
  );
  await admin.until(MONITORS, () => true, { what: "and serves it" });
  const labels = "podMonitor.labels.release=prometheus";
  for (
    const [objects, release] of [
      [ours, undefined],
      [await chart(["podMonitor.enabled=true", labels]), "prometheus"],
    ] as const
  ) {
    const { code, stderr } = await applyStrictly(plane, objects);
    assert.equal(code, 0, stderr);
    const given = objects.find(({ kind }) => kind === "PodMonitor");
    const { metadata, spec } = await admin.get(`${MONITORS}/clusternet`);
    assert.equal(metadata.labels.release, release);
    assert.deepEqual(spec, given.spec);
    await isRefused(admin, given);
  }
}

/** A key of the PodMonitor, and how somebody misspells it. */
const MISSPELT: readonly (readonly [right: string, wrong: string])[] = [
  ["podMetricsEndpoints", "podMetricEndpoints"],
  ["sourceLabels", "sourceLabel"],
  ["jobLabel", "joblabel"],
];

/** By the API server itself: kubectl sometimes looks before it asks. */
async function isRefused(admin: KubeApi, given: KubeObject): Promise<void> {
  const text = JSON.stringify(given);
  for (const [right, wrong] of MISSPELT) {
    assert.ok(text.includes(`"${right}"`));
    const { status, body } = await admin.call(
      "PATCH",
      `${MONITORS}/clusternet?fieldManager=test&force=true&fieldValidation=Strict`,
      {
        body: JSON.parse(text.replace(`"${right}"`, `"${wrong}"`)),
        type: "application/apply-patch+yaml",
      },
    );
    assert.ok(status >= 400, `${status}`);
    assert.match(
      body.message,
      new RegExp(`\\b${wrong}: field not declared in schema`),
    );
  }
}

const DAEMON_SET = "/apis/apps/v1/namespaces/clusternet/daemonsets/clusternet";

async function helmTakesOver(plane: ControlPlane): Promise<void> {
  const kubeconfig = plane.kubeconfig("admin", ["system:masters"]);
  const before = await plane.admin.get(DAEMON_SET);
  const said = await mustRunTool("helm", [
    ...["upgrade", "--install", "clusternet", CHART],
    ...["--namespace", "clusternet", "--take-ownership", "--force-conflicts"],
  ], { kubeconfig });
  assert.match(
    said,
    /clusternet runs on every node, for the pods of 10\.0\.0\.0\/16/,
  );
  const after = await plane.admin.get(DAEMON_SET);
  assert.equal(after.metadata.uid, before.metadata.uid, "it is the same one");
  assert.equal(
    after.spec.template.spec.containers[0].image,
    "localhost/clusternet:0.1.0",
  );
  await mustRunTool("helm", [
    ...["uninstall", "clusternet", "--namespace", "clusternet"],
  ], { kubeconfig });
  const { status } = await plane.admin.call("GET", DAEMON_SET);
  assert.equal(status, 404);
}

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
