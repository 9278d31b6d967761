/**
 * What a cluster is given where agents run as a service of the host
 * (`deploy/kustomize/overlays/host-service`), on a real API server: a kubelet
 * gives no Node its podCIDRs, and an agent lives on the kubelet's credentials.
 *
 * @module
 */

import assert from "node:assert/strict";
import { annotationPatch } from "../../mod/core/json_patch.ts";
import {
  conditionPatch,
  NETWORK_IS_UP,
} from "../../mod/core/node_condition.ts";
import { systemClock as clock } from "../../mod/sys/clock.ts";
import { openKubeAccess } from "../../mod/sys/kube_auth.ts";
import { KubeClient } from "../../mod/sys/kube_client.ts";
import type { ControlPlane } from "./control_plane.ts";
import { tellsOfOwnAlone } from "./event_steps.ts";
import { withControlPlane } from "./harness.ts";
import { conditionOf, type KubeAnswer, type KubeApi } from "./kube_api.ts";
import { KUSTOMIZE } from "./kubectl.ts";
import { applyFolder, makeNodes, untilRefused } from "./policies.ts";
import { KEY, PUBLIC_KEY } from "./policy_cases.ts";

const HOST_SERVICE = `${KUSTOMIZE}/overlays/host-service`;
const POD_CIDRS = "clusternet-pod-cidrs";
const SAYS =
  /'clusternet-pod-cidrs' with binding 'clusternet-pod-cidrs' denied request: a kubelet may give no Node its podCIDRs: that is for kube-controller-manager \(--allocate-node-cidrs\)$/;

/** What a kubelet may try, by name: without a consequence. */
interface Attempt {
  readonly name: string;
  readonly send: (who: KubeApi) => Promise<KubeAnswer>;
}

function register(node: string, spec: unknown): Attempt["send"] {
  return (who) =>
    who.call("POST", "/api/v1/nodes?dryRun=All", {
      body: { metadata: { name: node }, spec },
    });
}

function change(node: string, body: unknown, part = ""): Attempt["send"] {
  return (who) =>
    who.call("PATCH", `/api/v1/nodes/${node}${part}?dryRun=All`, {
      body,
      type: "application/strategic-merge-patch+json",
    });
}

/** The podCIDRs of n2, claimed by the kubelets of n3, which is there, and n9, which is not. */
const CLAIM = { podCIDR: "10.0.2.0/24", podCIDRs: ["10.0.2.0/24"] };

const CLAIMS: readonly Attempt[] = [
  { name: "registers with podCIDRs", send: register("n9", CLAIM) },
  {
    name: "registers with the one podCIDR of old",
    send: register("n9", { podCIDR: "10.0.2.0/24" }),
  },
  {
    name: "registers with podCIDRs of both families",
    send: register("n9", { podCIDRs: ["10.0.2.0/24", "fd00:10::/64"] }),
  },
  { name: "sets podCIDRs afterwards", send: change("n3", { spec: CLAIM }) },
  {
    name: "sets the one podCIDR of old afterwards",
    send: change("n3", { spec: { podCIDR: "10.0.2.0/24" } }),
  },
  {
    name: "sets podCIDRs afterwards by a whole Node",
    send: async (who) => {
      const { body } = await who.call("GET", "/api/v1/nodes/n3");
      return await who.call("PUT", "/api/v1/nodes/n3?dryRun=All", {
        body: { ...body, spec: { ...body.spec, ...CLAIM } },
      });
    },
  },
];

const ORDINARY: readonly Attempt[] = [
  { name: "registers without podCIDRs", send: register("n9", {}) },
  {
    name: "registers with a taint, as --register-with-taints does",
    send: register("n9", { taints: [{ key: "a", effect: "NoSchedule" }] }),
  },
  {
    name: "writes an annotation",
    send: change("n3", { metadata: { annotations: { a: "1" } } }),
  },
  {
    name: "writes a label",
    send: change("n3", { metadata: { labels: { a: "1" } } }),
  },
  {
    name: "writes its status",
    send: change("n3", { status: { capacity: { cpu: "4" } } }, "/status"),
  },
];

interface Scene {
  readonly plane: ControlPlane;
  readonly n9: KubeApi;
  /** The kubelet of the Node that the attempt is about. */
  whoOf(attempt: Attempt): KubeApi;
}

type Steps = Readonly<Record<string, () => Promise<void>>>;

Deno.test("a kubelet gives no Node its podCIDRs, and all that a host service needs is granted", async (t) => {
  await withControlPlane({}, async (plane) => {
    await makeNodes(plane.admin);
    using n3 = plane.as("system:node:n3", ["system:nodes"]);
    using n9 = plane.as("system:node:n9", ["system:nodes"]);
    const whoOf = ({ name }: Attempt): KubeApi =>
      name.startsWith("registers") ? n9 : n3;
    const scene: Scene = { plane, n9, whoOf };
    const steps = { ...without(scene), ...eachAttempt(scene), ...more(scene) };
    for (const [name, body] of Object.entries(steps)) await t.step(name, body);
  });
});

async function passes(each: Attempt, who: KubeApi): Promise<void> {
  const { status, body } = await each.send(who);
  assert.ok(status < 300, `${each.name}: ${status}: ${body.message}`);
}

function without({ plane, n9, whoOf }: Scene): Steps {
  return {
    "without the policy a kubelet takes the podCIDRs of another": async () => {
      for (const each of [...CLAIMS, ...ORDINARY]) {
        await passes(each, whoOf(each));
      }
    },
    "without the role a kubelet may not list Nodes": async () => {
      const { status } = await n9.call("GET", "/api/v1/nodes");
      assert.equal(status, 403);
    },
    "the policy counts from a moment after it is applied": async () => {
      const [first] = CLAIMS;
      assert.ok(first !== undefined);
      await applyFolder(plane, HOST_SERVICE);
      await untilRefused(POD_CIDRS, () => first.send(n9));
    },
  };
}

function eachAttempt({ whoOf }: Scene): Steps {
  return Object.fromEntries([
    ...CLAIMS.map((each) => [
      `a kubelet is refused where it ${each.name}`,
      async () => {
        const { status, body } = await each.send(whoOf(each));
        assert.equal(status, 422, body.message);
        assert.match(body.message, SAYS);
      },
    ]),
    ...ORDINARY.map((each) => [
      `a kubelet ${each.name}`,
      () => passes(each, whoOf(each)),
    ]),
  ]);
}

function more({ plane, n9 }: Scene): Steps {
  return {
    "others may do all of that as before": async () => {
      for (const each of CLAIMS) await passes(each, plane.admin);
    },
    "the agent's own code lives on the kubelet's credentials, and on no more than its own Node":
      () => hostService(plane),
    "kube-controller-manager gives a new Node its podCIDRs, and the kubelet goes on with it":
      () => registered(plane, n9),
  };
}

async function hostService(plane: ControlPlane): Promise<void> {
  const access = await openKubeAccess({
    kubeconfig: plane.kubeconfig("system:node:n1", ["system:nodes"]),
    ...{ server: undefined, clock, env: {} },
  });
  const client = new KubeClient(access, { clock, annotation: KEY });
  const { signal } = new AbortController();
  const query = { limit: 500, continueToken: "" };
  try {
    const page = await client.listPage(query, signal);
    assert.equal(page.nodes.length, 3);
    const node = await client.getNode("n1", signal);
    const patch = annotationPatch(node, KEY, { value: PUBLIC_KEY });
    await client.patchNodeStatus("n1", patch, signal);
    const now = "2026-01-01T00:00:00Z";
    const condition = conditionPatch(node, NETWORK_IS_UP, { now });
    await client.mergeNodeStatus("n1", condition, signal);
    const written = await plane.admin.get("/api/v1/nodes/n1");
    assert.equal(written.metadata.annotations[KEY], PUBLIC_KEY);
    assert.equal(conditionOf(written, "NetworkUnavailable")?.status, "False");
    const { uid } = (await plane.admin.get("/api/v1/nodes/n2")).metadata;
    await tellsOfOwnAlone(plane, client, { own: "n1", other: "n2" });
    await assert.rejects(
      client.patchNodeStatus(
        "n2",
        annotationPatch({ ...node, uid }, KEY, { value: PUBLIC_KEY }),
        signal,
      ),
      /^ApiError: Cannot patch Node n2: 403 Forbidden: .*node "n1" is not allowed to modify node "n2"/,
    );
  } finally {
    client.close();
  }
}

async function registered(plane: ControlPlane, n9: KubeApi): Promise<void> {
  await n9.create("/api/v1/nodes", { metadata: { name: "n9" } });
  plane.startControllers();
  const { spec } = await plane.admin.until(
    "/api/v1/nodes/n9",
    (node) => node.spec.podCIDRs?.length === 1,
    { what: "n9 has its podCIDRs" },
  );
  assert.match(spec.podCIDRs[0], /^10\.0\.\d+\.0\/24$/);
  await n9.patch("/api/v1/nodes/n9", { metadata: { labels: { a: "1" } } });
  const { body } = await n9.call("GET", "/api/v1/nodes/n9");
  const { status } = await n9.call("PUT", "/api/v1/nodes/n9?dryRun=All", {
    body,
  });
  assert.equal(status, 200);
}
