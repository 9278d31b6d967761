/**
 * The admission policy that holds an agent to its own Node, on a real API server:
 * every sentence of it, what it leaves alone, and the agent's own code under it.
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
import { eventually } from "../lab/harness.ts";
import type { ControlPlane } from "./control_plane.ts";
import { newFolder, withControlPlane } from "./harness.ts";
import { conditionOf, JSON_PATCH, type KubeApi, MERGE } from "./kube_api.ts";
import { KUSTOMIZE, runTool } from "./kubectl.ts";
import {
  agentToken,
  ANNOTATIONS,
  applyFolder,
  applyWithoutPolicies,
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

const OWN_NODE = "clusternet-own-node";

interface Scene {
  readonly plane: ControlPlane;
  /** The agent that a case is about, by its own pod's token. */
  agentOf(given: PolicyCase): KubeApi;
}

type Steps = Readonly<Record<string, () => Promise<void>>>;

Deno.test("an agent changes one annotation and one condition of its own Node, and nothing else", async (t) => {
  await withControlPlane({}, async (plane) => {
    const { admin } = plane;
    await makeNodes(admin);
    await applyWithoutPolicies(plane);
    using n1 = plane.withToken(await agentToken(admin, "n1"));
    using n3 = plane.withToken(await agentToken(admin, "n3"));
    const agents = { n1, n3 };
    const agentOf = ({ agent = "n1" }: PolicyCase): KubeApi => agents[agent];
    const scene: Scene = { plane, agentOf };
    const steps: Steps = {
      ...withoutPolicy(scene),
      ...eachCase(scene),
      ...others(scene),
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
      eachIsNeeded(scene),
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
    for (const want of [NETWORK_IS_UP, networkIsDown("it is a test")]) {
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

/** Leaves each out in turn: what it alone had refused passes. */
async function eachIsNeeded({ plane, agentOf }: Scene): Promise<void> {
  const { admin } = plane;
  const path =
    `/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/${OWN_NODE}`;
  using unbound = plane.withToken(await tokenFor(admin));
  const attempts = [
    ...REFUSED.map((each) => () => tryCase(agentOf(each), each)),
    ...ALLOWED.map((each) => () => tryCase(unbound, each)),
  ];
  const bySentence = new Map<string, typeof attempts>();
  for (const attempt of attempts) {
    const [, sentence] = (await attempt()).body.message.split(
      "denied request: ",
    );
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
          if ((await attempt()).status !== 200) continue;
          // The next to pass is another's.
          bySentence.delete(sentence);
          return true;
        }
      }
      return undefined;
    }, 60_000);
  }
}
