/**
 * What is wrong with a node's CNI, on a real containerd and kubelet: what they
 * say of it, beside what the agent does.
 *
 * @module
 */

import assert from "node:assert/strict";
import { run } from "../lab/exec.ts";
import { dataPlane } from "../lab/look.ts";
import { findPlugins } from "../lab/cni.ts";
import { eventually } from "../lab/harness.ts";
import type { Cluster } from "./cluster.ts";
import { isTainted, networkSays } from "./conditions.ts";
import { withCluster } from "./harness.ts";
import type { KubeObject } from "./kube_api.ts";
import type { KubeNode } from "./kube_node.ts";
import { createPod, podReady, removePod, runPod } from "./pods.ts";

/** Where this containerd looks. */
const BIN_DIR = "/opt/cni/bin";
const FLAGS = ["--cni-bin-dir", BIN_DIR];

/** Milliseconds: the directories are looked at twice a minute, and an outage is told after 15 s. */
const TOLD_MS = 60_000;

const SIDE_BY_SIDE = {
  sanitizeOps: false,
  sanitizeResources: false,
  sanitizeExit: false,
};

/** For pods that are to be tried although the Node is tainted. */
const TOLERATING = { tolerations: [{ operator: "Exists" }] };

const UP = /^clusternet has the link, the routes and the public key in place$/;

/** Somebody else's network, of a real plugin. */
const OTHER = "/etc/cni/net.d/05-other.conflist";
const OTHER_TEXT = JSON.stringify({
  cniVersion: "0.3.1",
  name: "other",
  plugins: [{
    type: "bridge",
    bridge: "other0",
    isGateway: true,
    ipam: { type: "host-local", ranges: [[{ subnet: "172.31.0.0/24" }]] },
  }],
});

Deno.test("what is wrong with a node's CNI is one sentence, and pods that run go on", async (t) => {
  await withCluster({ nodes: 2, plugins: false }, async (cluster) => {
    const [bare, shared] = cluster.nodes;
    assert.ok(bare !== undefined && shared !== undefined);
    await cluster.kubectl([
      ...["apply", "-k", "deploy/kustomize/overlays/host-service"],
    ]);
    const step = async (
      name: string,
      body: (cluster: Cluster, node: KubeNode) => Promise<void>,
      node: KubeNode,
    ): Promise<void> => {
      const fn = (): Promise<void> => body(cluster, node);
      const passed = await t.step({ name, fn, ...SIDE_BY_SIDE });
      if (!passed) throw new Error(`It is not so that ${name}`);
    };
    const onBare = async (): Promise<void> => {
      await step(
        "without CNI plugins the Node says which are missing where, and no pod comes",
        withoutPlugins,
        bare,
      );
      await step(
        "they are found as soon as they are there, and the pod that waited starts",
        pluginsCome,
        bare,
      );
      await step(
        "a file before ours that nobody can read is named by --once, and keeps new pods waiting",
        brokenFile,
        bare,
      );
    };
    await Promise.all([
      onBare(),
      step(
        "another network's file before ours is named while it is there, and new pods are on it",
        otherNetwork,
        shared,
      ),
    ]);
  });
});

async function withoutPlugins(
  cluster: Cluster,
  node: KubeNode,
): Promise<void> {
  node.startAgent(FLAGS);
  await tells(
    cluster,
    node,
    /^Cannot find the CNI plugins ptp, host-local, portmap in \/opt\/cni\/bin, without which pods get no network: install them \(Debian's package is containernetworking-plugins\), or name the container runtime's directory with --cni-bin-dir$/,
  );
  // Until then pods come.
  await cluster.admin.until(`/api/v1/nodes/${node.name}`, isTainted, {
    what: "the taint keeps pods off",
    withinMs: TOLD_MS,
  });
  await createPod(cluster, { name: "kept-off", node: node.name });
  await podSays(cluster, "kept-off", /untolerated taint/);
  await createPod(cluster, {
    name: "first",
    node: node.name,
    spec: TOLERATING,
  });
  await podSays(
    cluster,
    "first",
    /failed to find plugin .* in path \[\/opt\/cni\/bin\]/,
  );
}

async function pluginsCome(cluster: Cluster, node: KubeNode): Promise<void> {
  await installPlugins(node);
  await tells(cluster, node, UP);
  await podReady(cluster, "first");
  await podReady(cluster, "kept-off");
}

async function installPlugins(node: KubeNode): Promise<void> {
  const from = await findPlugins();
  await node.space.sh(`cp ${from}/* ${BIN_DIR}/`);
}

async function otherNetwork(cluster: Cluster, node: KubeNode): Promise<void> {
  await installPlugins(node);
  node.startAgent(FLAGS);
  await tells(cluster, node, UP);
  await hasItsPeer(node);
  const before = await dataPlane(node);
  await put(node, OTHER_TEXT);
  await tells(
    cluster,
    node,
    /^\/etc\/cni\/net\.d\/05-other\.conflist comes before \/etc\/cni\/net\.d\/10-clusternet\.conflist with the network "other" \(bridge\): container runtimes take the first file, so new pods are not on this network; remove it, or rename it \(mv \S+ \S+\.off\)$/,
  );
  assert.equal(await dataPlane(node), before);
  const pod = await runPod(cluster, {
    name: "astray",
    node: node.name,
    spec: TOLERATING,
  });
  assert.match(pod.address, /^172\.31\.0\./);
  await removePod(cluster, "astray");
  assert.equal(await node.space.must(["cat", OTHER]), OTHER_TEXT, "untouched");
  await node.space.sh(`mv ${OTHER} ${OTHER}.off`);
  await tells(cluster, node, UP);
  const home = await runPod(cluster, { name: "home", node: node.name });
  assert.match(home.address, /^10\.0\./);
}

async function brokenFile(cluster: Cluster, node: KubeNode): Promise<void> {
  await hasItsPeer(node);
  const before = await dataPlane(node);
  await node.stop("agent");
  await put(node, '{"name": "half');
  const command = node.agentCommand([...FLAGS, "--once"]);
  const [{ code, stderr }] = await Promise.all([
    run(node.space.command(command)),
    createPod(cluster, {
      name: "waits",
      node: node.name,
      spec: TOLERATING,
    }),
    podSays(cluster, "waits", /cni plugin not initialized/),
  ]);
  const said = stderr.split("\n").filter((line) =>
    line.startsWith("clusternet: ")
  );
  assert.equal(said.length, 1, stderr);
  assert.match(
    said[0] ?? "",
    /^clusternet: \/etc\/cni\/net\.d\/05-other\.conflist comes before .* with what cannot be read as a CNI configuration: container runtimes read the first file, so pods may not start; remove it/,
  );
  assert.equal(code, 1);
  assert.equal(await dataPlane(node), before);
}

/** The other node's agent starts beside this one: until then the data plane is about to change. */
async function hasItsPeer(node: KubeNode): Promise<void> {
  await eventually(`${node.name} has its peer`, async () => {
    const peers = await node.space.must(["wg", "show", "clusternet", "peers"]);
    return peers === "" ? undefined : true;
  });
}

/** Within the directory, as a runtime takes notice of it. */
async function put(node: KubeNode, text: string): Promise<void> {
  await node.space.sh(`cat > ${OTHER}.new <<'END'
${text}
END
truncate -s -1 ${OTHER}.new
mv ${OTHER}.new ${OTHER}`);
}

/** Until the Node's condition NetworkUnavailable has that message. */
function tells(
  { admin }: Cluster,
  { name }: KubeNode,
  message: RegExp,
): Promise<void> {
  return networkSays(admin, name, { message, withinMs: TOLD_MS });
}

/** Until an event of the pod has such a message. */
async function podSays(
  { admin }: Cluster,
  name: string,
  message: RegExp,
): Promise<void> {
  const events = "/api/v1/namespaces/default/events";
  await admin.until(
    `${events}?fieldSelector=involvedObject.name=${name}`,
    ({ items }) =>
      items.some((event: KubeObject) => message.test(event.message)),
    { what: `pod ${name} says ${message}`, withinMs: TOLD_MS },
  );
}
