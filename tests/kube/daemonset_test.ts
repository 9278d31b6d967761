/**
 * The agent as pods, from its image and the manifests of `deploy/`: what they may
 * do on their node, and that nothing that happens to them costs a packet.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Capture, captureText, isProof } from "../lab/capture.ts";
import { eventually, pause } from "../lab/harness.ts";
import { figuresOf, megabytes } from "../support/process_figures.ts";
import { parsePrefix } from "../../mod/core/address.ts";
import { AGENT_IMAGE, agentImage } from "./agent_image.ts";
import type { Cluster } from "./cluster.ts";
import {
  type AgentPod,
  agentPod,
  credentialsFile,
  logsOf,
  NAMESPACE,
  rolledOut,
  saysOk,
  writeOverlay,
} from "./daemonset.ts";
import { inOrder, newFolder, withCluster } from "./harness.ts";
import { conditionOf, isReady, type KubeObject } from "./kube_api.ts";
import type { KubeNode } from "./kube_node.ts";
import { losesNothing, PODS, type RunningPod, runPod } from "./pods.ts";
import { newTokenKeys, tokenParts } from "./token_keys.ts";

Deno.test("agents as pods of a DaemonSet", async (t) => {
  await withCluster({ images: [agentImage()] }, async (cluster) => {
    let pods: readonly [RunningPod, RunningPod];
    await inOrder(t, {
      "kubectl apply -k makes both Nodes Ready, without kube-proxy": () =>
        applied(cluster),
      "an agent has CAP_NET_ADMIN alone, and writes in its own places alone":
        () => eachAgent(cluster, hasLeast),
      "its token is bound to pod and node, and no other is mounted": () =>
        eachAgent(cluster, hasOwnToken),
      "killed, deleted, rolled out and with etcd compacted: no packet is lost":
        async () => {
          pods = await Promise.all([
            runPod(cluster, { name: "a", node: "n1" }),
            runPod(cluster, { name: "b", node: "n2" }),
          ]);
          await losesNothing(pods, () => upheaval(cluster));
        },
      "tokens, and the keys that sign them, change under a running agent: it goes on, and no packet is lost":
        () => losesNothing(pods, () => newTokens(cluster)),
      "after a reboot no pod starts before the agent has run, and nothing leaves in clear":
        () => reboot(cluster, pods),
    });
  });
});

async function applied(cluster: Cluster): Promise<void> {
  const folder = newFolder();
  writeOverlay(folder, cluster);
  await cluster.kubectl(["apply", "--kustomize", folder]);
  await rolledOut(cluster);
  await cluster.ready();
  await eachAgent(cluster, (pod) => saysOk(cluster, pod));
}

async function eachAgent(
  cluster: Cluster,
  look: (pod: AgentPod, cluster: Cluster) => Promise<void> | void,
): Promise<void> {
  for (const node of cluster.nodes) {
    await look(await agentPod(cluster, node), cluster);
  }
}

/** linux/capability.h: CAP_NET_ADMIN is number 12. */
const NET_ADMIN = (1 << 12).toString(16).padStart(16, "0");
const NONE = "0".repeat(16);

/** Of the node, and what the kubelet makes for each container. */
const WRITABLE = [
  "/dev/termination-log",
  "/etc/cni/net.d",
  "/etc/hosts",
  "/host/proc/sys/net",
  "/run/clusternet",
  "/run/clusternet-cni",
  "/run/wireguard",
  "/var/lib/clusternet",
];

async function hasLeast(pod: AgentPod, cluster: Cluster): Promise<void> {
  const status = Deno.readTextFileSync(`/proc/${pod.pid}/status`);
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:\\s+(\\S+)$`, "m").exec(status)?.[1];
  const names = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
  assert.deepEqual(
    [...names.map(field), field("NoNewPrivs"), field("Seccomp")],
    [NONE, NET_ADMIN, NET_ADMIN, NET_ADMIN, NONE, "1", "2"],
  );
  const mounts = Deno.readTextFileSync(`/proc/${pod.pid}/mountinfo`).trim()
    .split("\n").map((line) => line.split(" "));
  const root = mounts.find(([, , , , at]) => at === "/");
  assert.match(root?.[5] ?? "", /^ro\b/);
  const writable = mounts.filter(([, , , , at = "", options = ""]) =>
    /^rw\b/.test(options) && !/^\/(proc|dev|sys)(\/|$)/.test(at) ||
    at === "/dev/termination-log"
  ).map(([, , , , at]) => at ?? "").sort();
  assert.deepEqual(writable, WRITABLE);
  const { residentBytes, anonymousBytes } = figuresOf(pod.pid);
  console.log(
    `${pod.name} at rest: ${megabytes(residentBytes)} resident, of these ${
      megabytes(anonymousBytes)
    } its own`,
  );
  assert.match(await logsOf(cluster, pod), /Ready: OK/);
}

function hasOwnToken({ name, uid, object }: AgentPod, cluster: Cluster): void {
  const volumes: readonly KubeObject[] = object.spec.volumes;
  assert.deepEqual(
    volumes.filter(({ projected }) => projected).map((each) => each.name),
    ["credentials"],
  );
  const node = cluster.node(object.spec.nodeName);
  const { claims } = tokenParts(
    Deno.readTextFileSync(credentialsFile(node, object.metadata, "token")),
  );
  const bound = claims["kubernetes.io"];
  assert.deepEqual(
    [bound.pod.name, bound.pod.uid, bound.node.name],
    [name, uid, node.name],
  );
  assert.ok(claims.exp - claims.iat <= 3600, "longer than an hour");
}

async function upheaval(cluster: Cluster): Promise<void> {
  const [n1, n2] = nodesOf(cluster);
  const [one, two] = [await agentPod(cluster, n1), await agentPod(cluster, n2)];
  Deno.kill(one.pid, "SIGKILL");
  await cluster.kubectl([
    ...["--namespace", NAMESPACE, "delete", "pod", two.name],
  ]);
  await saysOk(
    cluster,
    await agentPod(cluster, n2, ({ uid }) => uid !== two.uid),
  );
  const again = await agentPod(cluster, n1, ({ pid }) => pid !== one.pid);
  assert.deepEqual([again.uid, again.restarts], [one.uid, 1]);
  await saysOk(cluster, again);
  await cluster.plane.compact();
  const next = AGENT_IMAGE.replace(/:.*/, ":next");
  for (const node of cluster.nodes) {
    await node.ctr("images", "tag", AGENT_IMAGE, next);
  }
  await cluster.kubectl([
    ...["--namespace", NAMESPACE, "set", "image", "daemonset/clusternet"],
    `clusternet=${next}`,
  ]);
  await rolledOut(cluster);
  await eachAgent(cluster, async (pod) => {
    assert.equal(pod.object.spec.containers[0].image, next);
    await saysOk(cluster, pod);
  });
}

/**
 * The API server gets another key to sign tokens with; the kubelets, started
 * anew, have forgotten theirs and put new ones in place; then nothing that the
 * old key has signed counts any more.
 */
async function newTokens(cluster: Cluster): Promise<void> {
  const { plane } = cluster;
  const keys = await newTokenKeys(newFolder(), plane.credentials.files);
  const before = await Promise.all(
    cluster.nodes.map((node) => agentPod(cluster, node)),
  );
  const old = before.map((pod, at) => tokenOf(cluster, pod, at));
  await plane.stop("kube-apiserver", "SIGKILL");
  await plane.startApiServer({
    "service-account-signing-key-file": keys.key,
    "service-account-key-file": keys.both,
  });
  for (const node of cluster.nodes) {
    await node.stop("kubelet");
    cluster.startServices(node);
  }
  for (const [at, pod] of before.entries()) {
    const keyId = tokenParts(old[at] ?? "").header.kid;
    await eventually(`${pod.name} gets a token of the new key`, () => {
      const { header } = tokenParts(tokenOf(cluster, pod, at));
      return Promise.resolve(header.kid === keyId ? undefined : true);
    }, 60_000);
  }
  await plane.stop("kube-apiserver", "SIGKILL");
  await plane.startApiServer({
    "service-account-signing-key-file": keys.key,
    "service-account-key-file": keys.publicKey,
  });
  for (const [at, node] of cluster.nodes.entries()) {
    using refused = plane.withToken(old[at] ?? "");
    const { status } = await refused.call("GET", `/api/v1/nodes/${node.name}`);
    assert.equal(status, 401, "the old token counts no more");
    await writesCondition(cluster, node.name);
    assert.equal((await agentPod(cluster, node)).pid, before[at]?.pid);
  }
}

function tokenOf(cluster: Cluster, pod: AgentPod, at: number): string {
  const node = cluster.nodes[at];
  assert.ok(node !== undefined);
  return Deno.readTextFileSync(credentialsFile(node, pod, "token"));
}

/** Somebody takes it away; only the agent puts it back. */
async function writesCondition(
  { admin }: Cluster,
  name: string,
): Promise<void> {
  await admin.patch(`/api/v1/nodes/${name}/status`, {
    status: { conditions: [{ $patch: "delete", type: "NetworkUnavailable" }] },
  });
  await admin.until(
    `/api/v1/nodes/${name}`,
    (node) => conditionOf(node, "NetworkUnavailable")?.status === "False",
    { what: `the agent of ${name} writes the condition again` },
  );
}

const CONFLIST = "/etc/cni/net.d/10-clusternet.conflist";

async function reboot(
  cluster: Cluster,
  [a, b]: readonly [RunningPod, RunningPod],
): Promise<void> {
  const { admin } = cluster;
  const capture = await Capture.start(cluster.settings.underlay, {
    clusterCidrs: cluster.plan.clusterCidrs.map(parsePrefix),
    apiPort: Number(new URL(cluster.plane.url).port),
  });
  // Keeps knocking at the door of a pod that is not there.
  const knocking = a.run(["ping", "-i", "0.1", "-w", "12", b.address]);
  await b.node.reboot();
  await b.node.space.sh(`test -L ${CONFLIST}; test ! -e ${CONFLIST}`);
  cluster.startServices(b.node);
  await eventually("the kubelet says that there is no network", async () => {
    const { items } = await admin.get(
      "/api/v1/namespaces/default/events?fieldSelector=" +
        encodeURIComponent("involvedObject.name=b,reason=NetworkNotReady"),
    );
    return items.length > 0 ? true : undefined;
  }, 60_000);
  const pod = await admin.until(
    `${PODS}/b`,
    (pod) => isReady(pod) && pod.status.containerStatuses[0].restartCount === 1,
    { what: "b runs again", withinMs: 60_000 },
  );
  const began = Date.parse(
    pod.status.containerStatuses[0].state.running.startedAt,
  );
  const agent = await agentPod(cluster, b.node);
  const agents = Date.parse(
    agent.object.status.containerStatuses[0].state.running.startedAt,
  );
  assert.ok(began >= agents, "b started before the agent of its node");
  await saysOk(cluster, agent);
  await cluster.ready();
  const { podIP } = pod.status;
  // The agent speaks first: else the tunnel were made anew some 15 s after the
  // first packet that gets no answer (WireGuard, section 6.4).
  await eventually("a reaches b again", async () => {
    const ping = ["ping", "-c", "1", "-W", "1", podIP];
    return (await a.run(ping)).code === 0 ? true : undefined;
  }, 10_000);
  await knocking;
  await pause(500);
  const report = await capture.stop();
  assert.ok(isProof(report), captureText(report));
}

function nodesOf(
  { nodes: [one, two] }: Cluster,
): readonly [KubeNode, KubeNode] {
  assert.ok(one !== undefined && two !== undefined);
  return [one, two];
}
