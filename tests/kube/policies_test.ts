/**
 * The admission policies that hold an agent to its own Node, on a real API server:
 * every sentence of them, what they leave alone, and the agent's own code under
 * them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { annotationPatch } from "../../mod/core/json_patch.ts";
import {
  conditionPatch,
  NETWORK_IS_UP,
  networkIsDown,
  removalPatch,
} from "../../mod/core/node_condition.ts";
import { systemClock as clock } from "../../mod/sys/clock.ts";
import { openKubeAccess } from "../../mod/sys/kube_auth.ts";
import { KubeClient } from "../../mod/sys/kube_client.ts";
import type { ControlPlane } from "./control_plane.ts";
import { newFolder, withControlPlane } from "./harness.ts";
import { Tellers, tellsOfOwnAlone } from "./event_steps.ts";
import { conditionOf, JSON_PATCH, type KubeApi } from "./kube_api.ts";
import { KUSTOMIZE, runTool } from "./kubectl.ts";
import {
  agentToken,
  ANNOTATIONS,
  applyFolder,
  applyWithoutPolicies,
  eachIsNeeded,
  grantEverything,
  makeNodes,
  rulesOf,
  tokenFor,
  tryCase,
  untilRefused,
} from "./policies.ts";
import {
  ALLOWED,
  KEY,
  type PolicyCase,
  PUBLIC_KEY,
  REFUSED,
} from "./policy_cases.ts";
import { problem } from "../support/problems.ts";

const OWN_NODE = "clusternet-own-node";

interface Scene {
  readonly plane: ControlPlane;
  /** The agent that a case is about, by its own pod's token. */
  agentOf(given: PolicyCase): KubeApi;
}

type Steps = Readonly<Record<string, () => Promise<void>>>;

Deno.test("an agent changes one annotation and one condition of its own Node, tells of that Node alone, and nothing else", async (t) => {
  await withControlPlane({}, async (plane) => {
    const { admin } = plane;
    await makeNodes(admin);
    await applyWithoutPolicies(plane);
    const n1Token = await agentToken(admin, "n1");
    using n1 = plane.withToken(n1Token);
    using n3 = plane.withToken(await agentToken(admin, "n3"));
    const agents = { n1, n3 };
    const agentOf = ({ agent = "n1" }: PolicyCase): KubeApi => agents[agent];
    const scene: Scene = { plane, agentOf };
    using tellers = new Tellers(plane, {
      n1: n1Token,
      unbound: await tokenFor(admin),
    });
    const steps: Steps = {
      ...tellers.withoutPolicy(),
      ...withoutPolicy(scene),
      ...eachCase(scene),
      ...others(scene),
      ...tellers.withPolicy(),
    };
    for (const [name, body] of Object.entries(steps)) await t.step(name, body);
  });
});

function withoutPolicy({ plane, agentOf }: Scene): Steps {
  return {
    "an agent has four rights: get, list and watch Nodes, patch their status":
      async () => {
        const [any] = ALLOWED;
        assert.ok(any !== undefined);
        assert.deepEqual(await rulesOf(agentOf(any)), [
          "get nodes",
          "list nodes",
          "patch nodes/status",
          "watch nodes",
        ]);
      },
    "without the policy, and with every right over Nodes, all that follows passes":
      async () => {
        await grantEverything(plane.admin);
        for (const each of [...ALLOWED, ...REFUSED]) {
          await assertPasses(agentOf(each), each);
        }
      },
    "the policy counts from a moment after it is applied": async () => {
      const foreign = REFUSED.find(({ node }) => node === "n2");
      assert.ok(foreign !== undefined);
      await applyFolder(plane, `${KUSTOMIZE}/base`);
      await untilRefused(OWN_NODE, () => tryCase(agentOf(foreign), foreign));
    },
  };
}

function eachCase({ agentOf }: Scene): Steps {
  return Object.fromEntries([
    ...ALLOWED.map((each) => [
      `an agent ${each.name}`,
      () => assertPasses(agentOf(each), each),
    ]),
    ...REFUSED.map((each) => [
      `an agent is refused where it ${each.name}`,
      () => assertRefused(agentOf(each), each),
    ]),
  ]);
}

function others(scene: Scene): Steps {
  const { plane } = scene;
  const { admin } = plane;
  return {
    "others may do all of that as before": async () => {
      for (const each of REFUSED) await assertPasses(admin, each);
    },
    "a token of the agent's account that is bound to no pod changes no Node":
      () => unboundChangesNothing(plane),
    "the agent's own code publishes and takes back as without the policy, and says why it is refused elsewhere":
      () => agentsCode(plane),
    "a Node with as many annotations as one can have is within what the policy may cost":
      () => hugeNode(scene),
    "each sentence of the policy refuses what no other does": () =>
      everySentence(scene),
    "whoever may delete a Node still may": async () => {
      await admin.delete("/api/v1/nodes/n2");
    },
  };
}

async function assertPasses(who: KubeApi, given: PolicyCase): Promise<void> {
  const { status, body } = await tryCase(who, given);
  assert.equal(status, 200, `${given.name}: ${body.message}`);
}

async function assertRefused(
  who: KubeApi,
  given: PolicyCase,
  says = given.says,
): Promise<void> {
  const { status, body } = await tryCase(who, given);
  assert.equal(status, 422, `${given.name}: ${body.message}`);
  assert.match(body.message, says ?? /^$/);
}

async function unboundChangesNothing(plane: ControlPlane): Promise<void> {
  const { admin } = plane;
  const says =
    /the token names no node: an agent needs one that is bound to its pod/;
  using unbound = plane.withToken(await tokenFor(admin));
  for (const each of ALLOWED) await assertRefused(unbound, each, says);
  // As tokens were that no claim of the kind came with.
  const [first] = ALLOWED;
  const { code, stderr } = await runTool("kubectl", [
    ...["patch", "node", "n3", "--subresource=status", "--dry-run=server"],
    ...["--type=json", `--patch=${JSON.stringify(first?.patch)}`],
    "--as=system:serviceaccount:clusternet:clusternet",
    "--as-group=system:serviceaccounts:clusternet",
  ], { kubeconfig: plane.kubeconfig("admin", ["system:masters"]) });
  assert.equal(code, 1);
  assert.match(stderr, says);
}

/** With what a pod has: a folder with token, authority and namespace. */
async function podClient(
  { admin, credentials, url }: ControlPlane,
  node: string,
): Promise<KubeClient> {
  const dir = newFolder();
  Deno.writeTextFileSync(`${dir}/token`, await agentToken(admin, node));
  Deno.writeTextFileSync(`${dir}/ca.crt`, credentials.ca);
  Deno.writeTextFileSync(`${dir}/namespace`, "clusternet");
  const { hostname, port } = new URL(url);
  const access = await openKubeAccess({
    ...{ kubeconfig: undefined, server: undefined, clock },
    serviceAccountDir: dir,
    env: { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
  });
  return new KubeClient(access, { clock, annotation: KEY });
}

async function agentsCode(plane: ControlPlane): Promise<void> {
  const { admin } = plane;
  const { signal } = new AbortController();
  const client = await podClient(plane, "n2");
  try {
    const now = new Date(0).toISOString().replace(".000", "");
    const seen = await client.getNode("n2", signal);
    const patch = annotationPatch(seen, KEY, { value: PUBLIC_KEY });
    await client.patchNodeStatus("n2", patch, signal);
    for (
      const want of [NETWORK_IS_UP, networkIsDown(problem("it is a test"))]
    ) {
      const node = await client.getNode("n2", signal);
      await client.mergeNodeStatus(
        "n2",
        conditionPatch(node, want, { now }),
        signal,
      );
    }
    const written = await admin.get("/api/v1/nodes/n2");
    assert.equal(written.metadata.annotations[KEY], PUBLIC_KEY);
    assert.equal(conditionOf(written, "NetworkUnavailable")?.status, "True");
    const other = await client.getNode("n1", signal);
    await assert.rejects(
      client.patchNodeStatus(
        "n1",
        annotationPatch(other, KEY, { value: PUBLIC_KEY }),
        signal,
      ),
      /^ApiError: Cannot patch Node n1: 422 Invalid: .*the agent of Node n2 may change that Node alone, not n1$/,
    );
    await tellsOfOwnAlone(plane, client, { own: "n2", other: "n1" });
    const last = await client.getNode("n2", signal);
    const removal = removalPatch(last, { annotation: KEY });
    assert.ok(removal !== undefined);
    await client.mergeNodeStatus("n2", removal, signal);
    const { metadata, status } = await admin.get("/api/v1/nodes/n2");
    assert.deepEqual(metadata.annotations, ANNOTATIONS);
    assert.deepEqual(
      status.conditions.map(({ type }: { readonly type: string }) => type),
      ["MemoryPressure", "Ready"],
    );
  } finally {
    client.close();
  }
}

/** 256 KiB of annotations is what the API server allows. */
async function hugeNode({ plane, agentOf }: Scene): Promise<void> {
  const { admin } = plane;
  const entries = Array.from(
    { length: 9_000 },
    (_, at) => [`annotation-${at}`, "0123456789"],
  );
  await admin.patch("/api/v1/nodes/n1", {
    metadata: { annotations: Object.fromEntries(entries) },
  });
  const named = (name: string): PolicyCase => {
    const found = [...ALLOWED, ...REFUSED].find((each) => each.name === name);
    assert.ok(found !== undefined, name);
    return found;
  };
  const allowed = named("sets its annotation");
  const refused = named("changes another annotation");
  await assertPasses(agentOf(allowed), allowed);
  await assertRefused(agentOf(refused), refused);
  await admin.patch("/api/v1/nodes/n1", [
    { op: "replace", path: "/metadata/annotations", value: ANNOTATIONS },
  ], JSON_PATCH);
}

/** By agents of pods, and by one whose token is bound to none. */
async function everySentence({ plane, agentOf }: Scene): Promise<void> {
  using unbound = plane.withToken(await tokenFor(plane.admin));
  await eachIsNeeded(plane.admin, OWN_NODE, [
    ...REFUSED.map((each) => () => tryCase(agentOf(each), each)),
    ...ALLOWED.map((each) => () => tryCase(unbound, each)),
  ]);
}
