/**
 * A control plane with the Nodes, the agent and the rights that the tests of the
 * policies are about. The agent may do anything to Nodes as far as RBAC goes:
 * whatever is refused, a policy refused.
 *
 * @module
 */

import assert from "node:assert/strict";
import { eventually } from "../lab/harness.ts";
import type { ControlPlane } from "./control_plane.ts";
import { type KubeAnswer, type KubeApi, MERGE } from "./kube_api.ts";
import { KUSTOMIZE, kustomized, mustRunTool } from "./kubectl.ts";
import { type PolicyCase, typeOf } from "./policy_cases.ts";
import type { Json } from "../../mod/core/json_patch.ts";

const ACCOUNT = "/api/v1/namespaces/clusternet/serviceaccounts/clusternet";
const RBAC = "/apis/rbac.authorization.k8s.io/v1";

export const ANNOTATIONS: Readonly<Record<string, string>> = {
  "node.alpha.kubernetes.io/ttl": "0",
  "other": "1",
};

/** The Node of the agent, with something of everything that it may not change. */
const NODE: { readonly [key: string]: Json } = {
  apiVersion: "v1",
  kind: "Node",
  metadata: {
    name: "n1",
    labels: { "kubernetes.io/hostname": "n1", "role": "worker" },
    annotations: ANNOTATIONS,
    finalizers: ["example.org/keep"],
  },
  spec: { podCIDR: "10.0.1.0/24", podCIDRs: ["10.0.1.0/24"] },
};

const STATUS: { readonly [key: string]: Json } = {
  capacity: { cpu: "2", memory: "4Gi", pods: "110" },
  allocatable: { cpu: "2", memory: "4Gi", pods: "110" },
  addresses: [
    { type: "InternalIP", address: "192.0.2.1" },
    { type: "Hostname", address: "n1" },
  ],
  conditions: ["MemoryPressure", "Ready"].map((type) => ({
    type,
    status: type === "Ready" ? "True" : "False",
    reason: "Kubelet",
    message: "as the kubelet has it",
    lastHeartbeatTime: "2026-01-01T00:00:00Z",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  })),
  images: [{ names: ["registry.example/a:1"], sizeBytes: 1 }],
};

/** The Nodes n1, n2 and n3, of which the last has nothing yet. */
export async function makeNodes(admin: KubeApi): Promise<void> {
  for (const name of ["n1", "n2", "n3"]) {
    const bare = name === "n3";
    await admin.create("/api/v1/nodes", {
      ...NODE,
      metadata: bare ? { name } : { ...NODE.metadata as object, name },
      spec: bare
        ? {}
        : { podCIDRs: [name === "n1" ? "10.0.1.0/24" : "10.0.2.0/24"] },
    });
    if (bare) continue;
    await admin.patch(`/api/v1/nodes/${name}/status`, { status: STATUS });
  }
}

/** All of that kustomization but the policies. */
export async function applyWithoutPolicies(
  plane: ControlPlane,
  folder = `${KUSTOMIZE}/base`,
): Promise<void> {
  const objects = await kustomized(folder);
  const list = {
    apiVersion: "v1",
    kind: "List",
    items: objects.filter(({ kind }) => !kind.startsWith("Validating")),
  };
  await mustRunTool("kubectl", ["apply", "-f", "-"], {
    kubeconfig: plane.kubeconfig("admin", ["system:masters"]),
    stdin: JSON.stringify(list),
  });
}

/** Everything with Nodes, for every ServiceAccount of the namespace. */
export async function grantEverything(admin: KubeApi): Promise<void> {
  const name = "everything-with-nodes";
  await admin.create(`${RBAC}/clusterroles`, {
    metadata: { name },
    rules: [{
      apiGroups: [""],
      resources: ["nodes", "nodes/status"],
      verbs: ["*"],
    }],
  });
  await admin.create(`${RBAC}/clusterrolebindings`, {
    metadata: { name },
    roleRef: { apiGroup: RBAC.split("/")[2], kind: "ClusterRole", name },
    subjects: [{
      apiGroup: RBAC.split("/")[2],
      kind: "Group",
      name: "system:serviceaccounts:clusternet",
    }],
  });
}

/** A token of the agent's ServiceAccount as the kubelet asks for it: bound to a pod on that node. */
export async function agentToken(
  admin: KubeApi,
  node: string,
): Promise<string> {
  const pods = "/api/v1/namespaces/clusternet/pods";
  const name = `agent-${node}`;
  const { metadata } = await admin.create(pods, {
    metadata: { name },
    spec: {
      serviceAccountName: "clusternet",
      nodeName: node,
      containers: [{ name: "agent", image: "none" }],
      tolerations: [{ operator: "Exists" }],
    },
  });
  return await tokenFor(admin, {
    boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid: metadata.uid },
  });
}

export async function tokenFor(
  admin: KubeApi,
  spec: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const { status } = await admin.create(`${ACCOUNT}/token`, { spec });
  return status.token;
}

/** "patch nodes/status", …: what it may do with objects, besides asking that. */
export async function rulesOf(who: KubeApi): Promise<readonly string[]> {
  const { status } = await who.create(
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    { spec: { namespace: "clusternet" } },
  );
  const rules: readonly Rule[] = status.resourceRules;
  return rules.filter(({ apiGroups }) => !apiGroups.some(isOfOwnRights))
    .flatMap(({ apiGroups, resources, verbs }) =>
      resources.flatMap((resource) =>
        verbs.map((verb) =>
          [
            verb,
            [resource, ...apiGroups].filter((part) => part !== "").join("."),
          ].join(" ")
        )
      )
    ).sort();
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** Everybody may ask who he is and what he may. */
function isOfOwnRights(group: string): boolean {
  return /^(authentication|authorization)\.k8s\.io$/.test(group);
}

/** Sends it, without a consequence. */
export async function tryCase(
  who: KubeApi,
  given: PolicyCase,
): Promise<KubeAnswer> {
  const node = given.node ?? given.agent ?? "n1";
  const path = `/api/v1/nodes/${node}${given.whole ? "" : "/status"}`;
  return await who.call("PATCH", `${path}?dryRun=All`, {
    body: given.patch,
    type: typeOf(given),
  });
}

/** Policies count from when the API server has seen them: until it refuses this. */
export async function untilRefused(
  policy: string,
  attempt: () => Promise<KubeAnswer>,
): Promise<void> {
  await eventually(`the policy ${policy} counts`, async () => {
    const { status, body } = await attempt();
    return status >= 400 && `${body.message}`.includes(`'${policy}'`)
      ? true
      : undefined;
  }, 60_000);
}

/** Leaves out each sentence of the policy in turn: what it alone had refused passes. */
export async function eachIsNeeded(
  admin: KubeApi,
  policy: string,
  attempts: readonly (() => Promise<KubeAnswer>)[],
): Promise<void> {
  const path =
    `/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/${policy}`;
  const bySentence = new Map<string, typeof attempts>();
  for (const attempt of attempts) {
    const [, said] = (await attempt()).body.message.split("denied request: ");
    const sentence = said.replace(/, not about .*$/, "");
    bySentence.set(sentence, [...bySentence.get(sentence) ?? [], attempt]);
  }
  const { spec: { validations } } = await admin.get(path);
  assert.equal(bySentence.size, validations.length);
  for (const left of validations) {
    const others = validations.filter((each: unknown) => each !== left);
    await admin.patch(path, { spec: { validations: others } }, MERGE);
    await eventually(`without "${left.expression}"`, async () => {
      for (const [sentence, its] of bySentence) {
        for (const attempt of its) {
          if ((await attempt()).status >= 300) continue;
          // The next to pass is another's.
          bySentence.delete(sentence);
          return true;
        }
      }
      return undefined;
    }, 60_000);
  }
}

/** Applies that kustomization. @returns what kubectl says */
export function applyFolder(
  plane: ControlPlane,
  folder: string,
  ...flags: readonly string[]
): Promise<string> {
  return mustRunTool("kubectl", ["apply", "-k", folder, ...flags], {
    kubeconfig: plane.kubeconfig("admin", ["system:masters"]),
  });
}
