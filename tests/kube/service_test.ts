/**
 * The agent as a service of its host with the kubelet's credentials: what it says
 * of its Node's network, and that neither its own end, nor the API server's, nor
 * that of its certificate costs a packet.
 *
 * One cluster for all of it, for a certificate takes its time to expire: the first
 * ones of the kubelets are of a minute and a half, the next ones of an hour.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { validityOf } from "../../mod/wire/certificate.ts";
import { eventually, pause } from "../lab/harness.ts";
import type { Space } from "../lab/space.ts";
import { auditFlags, credentialOf, servedIn } from "./audit.ts";
import type { Cluster } from "./cluster.ts";
import { isTainted, withoutNetwork } from "./conditions.ts";
import { inOrder, newFolder, withCluster } from "./harness.ts";
import { INSTALLED, installService, startService } from "./host_service.ts";
import { conditionOf, isReady, KubeApi } from "./kube_api.ts";
import type { KubeNode } from "./kube_node.ts";
import {
  createPod,
  losesNothing,
  podReady,
  PODS,
  removePod,
  type RunningPod,
} from "./pods.ts";

const CONTROLLERS = "kube-controller-manager";

/** Of the kubelets' first certificates; they rotate at the latest 51 s after they came. */
const SHORT = "90s";
const LONG = "1h";

Deno.test("agents as services of their hosts, with the kubelets' credentials", async (t) => {
  const audit = newFolder();
  const flags = {
    "kube-apiserver": auditFlags(audit),
    [CONTROLLERS]: {
      "allocate-node-cidrs": "false",
      "cluster-signing-duration": SHORT,
      // It looks for the kubelets' leases again late after an API server's outage:
      // no Node is to be called lost for that.
      "node-monitor-grace-period": "180s",
    },
  };
  await withCluster({ flags }, async (cluster) => {
    const [n1, n2] = nodesOf(cluster);
    const pods = (): Promise<readonly [RunningPod, RunningPod]> =>
      Promise.all([podReady(cluster, "a"), podReady(cluster, "b")]);
    let pid: number;
    await inOrder(t, {
      "no condition while Nodes may not be listed, none without podCIDRs; then False, and Ready":
        async () => {
          await comesUp(cluster);
          pid = n1.child("agent").pid;
        },
      "False is written again when somebody takes it away, or says True": () =>
        isKept(cluster, n2),
      "True while the network is down, which keeps pods off; signals leave it; then False again":
        () => goesDown(cluster, n2),
      "the kubelets have certificates of an hour now": () => rotated(cluster),
      "an API server that is down for 60 s costs no packet; agents ended, killed and started meanwhile neither":
        async () => await losesNothing(await pods(), () => outage(cluster)),
      "with its first certificate expired the agent goes on with the next, and was never started anew":
        async () => {
          await newCertificate(cluster, n1, audit);
          assert.equal(n1.child("agent").pid, pid);
        },
      "uninstall takes the condition back, and no packet is lost": async () =>
        await losesNothing(await pods(), () => uninstall(cluster, n2)),
    });
  });
});

async function comesUp(cluster: Cluster): Promise<void> {
  const { nodes, plane } = cluster;
  await createPod(cluster, { name: "a", node: "n1" });
  await createPod(cluster, { name: "b", node: "n2" });
  await Promise.all(nodes.map(installService));
  const agents = nodes.map(startService);
  for (const agent of agents) {
    await agent.line(/Cannot watch Nodes: 403/, { withinMs: 30_000 });
  }
  await isNotUp(cluster);
  await cluster.kubectl([
    ...["apply", "--kustomize"],
    fileURLToPath(
      new URL("../../deploy/kustomize/overlays/host-service", import.meta.url),
    ),
  ]);
  for (const agent of agents) {
    await agent.line(/has no podCIDRs/, { withinMs: 60_000 });
  }
  await isNotUp(cluster);
  await plane.stop(CONTROLLERS);
  plane.startControllers({
    "allocate-node-cidrs": "true",
    "cluster-signing-duration": LONG,
  });
  await cluster.ready();
  for (const { name } of nodes) {
    const node = await cluster.admin.get(`/api/v1/nodes/${name}`);
    assert.equal(
      conditionOf(node, "NetworkUnavailable")?.reason,
      "ClusternetIsUp",
    );
  }
}

/** Each Node says so, and no pod has come. */
async function isNotUp({ admin, nodes }: Cluster): Promise<void> {
  for (const { name, space } of nodes) {
    const node = await withoutNetwork(admin, name);
    assert.equal(conditionOf(node, "NetworkUnavailable"), undefined);
    await space.sh("test ! -e /etc/cni/net.d/10-clusternet.conflist");
  }
  const { items } = await admin.get(PODS);
  for (const { spec } of items) assert.equal(spec.nodeName, undefined);
}

async function isKept(cluster: Cluster, { name }: KubeNode): Promise<void> {
  await patchCondition(cluster, name, { $patch: "delete" });
  await saysUp(cluster, name);
  await patchCondition(cluster, name, {
    status: "True",
    reason: "NoRouteCreated",
    message: "as a cloud provider says",
  });
  await saysUp(cluster, name);
}

async function patchCondition(
  { admin }: Cluster,
  name: string,
  fields: Readonly<Record<string, string>>,
): Promise<void> {
  await admin.patch(`/api/v1/nodes/${name}/status`, {
    status: { conditions: [{ type: "NetworkUnavailable", ...fields }] },
  });
}

async function saysUp({ admin }: Cluster, name: string): Promise<void> {
  await admin.until(
    `/api/v1/nodes/${name}`,
    (node) =>
      conditionOf(node, "NetworkUnavailable")?.reason === "ClusternetIsUp",
    // The pace after an outage: two of its longest pauses, and then some.
    { what: `${name} says that its network is up`, withinMs: 90_000 },
  );
}

async function goesDown(cluster: Cluster, node: KubeNode): Promise<void> {
  const { admin } = cluster;
  const path = `/api/v1/nodes/${node.name}`;
  const network = async (): Promise<unknown> =>
    conditionOf(await admin.get(path), "NetworkUnavailable");
  const up = await network();
  await node.stop("agent", "SIGTERM");
  assert.deepEqual(await network(), up, "SIGTERM while it is up");
  startService(node);
  await node.child("agent").line(/Ready: OK, 1 peer/);

  await node.stop("wireguard-go", "SIGKILL");
  const ended = performance.now();
  const down = await admin.until(
    path,
    (node) => conditionOf(node, "NetworkUnavailable")?.status === "True",
    { what: `${node.name} says that its network is down` },
  );
  assert.ok(performance.now() - ended > 14_000, "told at once");
  const said = conditionOf(down, "NetworkUnavailable");
  assert.equal(said?.reason, "NoUserspaceWireGuard");
  assert.match(said?.message ?? "", /clusternet.*wireguard-go/);
  const { spec } = await admin.until(path, isTainted, {
    what: "the taint keeps pods off",
  });
  assert.equal(spec.taints.length, 1, "nothing else does");
  await findsNoNode(cluster, { name: "c", node: node.name });

  await node.stop("agent", "SIGTERM");
  assert.deepEqual(await network(), said, "SIGTERM while it is down");
  await node.startWireguardGo();
  startService(node);
  await saysUp(cluster, node.name);
  await admin.until(path, (node) => !isTainted(node), {
    what: "the taint is gone",
  });
  await podReady(cluster, "c");
}

/** The scheduler may hear of a taint a moment later than we do. */
async function findsNoNode(
  cluster: Cluster,
  pod: { readonly name: string; readonly node: string },
): Promise<void> {
  const path = `${PODS}/${pod.name}`;
  await createPod(cluster, pod);
  const { spec, status } = await cluster.admin.until(
    path,
    (object) =>
      object.spec.nodeName !== undefined ||
      conditionOf(object, "PodScheduled")?.status === "False",
    { what: `the scheduler has looked at pod ${pod.name}` },
  );
  if (spec.nodeName !== undefined) {
    await removePod(cluster, pod.name);
    return await findsNoNode(cluster, pod);
  }
  assert.match(
    conditionOf({ status }, "PodScheduled")?.message ?? "",
    /untolerated taint/,
  );
}

const PKI = "/var/lib/kubelet/pki";

/** The link names a path of the node. */
function currentCertificate(space: Space): string {
  const link = space.outside(`${PKI}/kubelet-client-current.pem`);
  return Deno.readTextFileSync(space.outside(Deno.readLinkSync(link)));
}

/** Until what the kubelets have will do for the rest of the test. */
async function rotated({ nodes }: Cluster): Promise<void> {
  for (const { name, space } of nodes) {
    await eventually(`the kubelet of ${name} renews its certificate`, () => {
      const text = currentCertificate(space);
      const left = (validityOf(text)?.notAfter ?? 0) - Date.now();
      return Promise.resolve(left > 600_000 ? true : undefined);
    }, 90_000);
  }
}

const OUTAGE_MS = 60_000;

async function outage(cluster: Cluster): Promise<void> {
  const { plane } = cluster;
  const [, n2] = nodesOf(cluster);
  await plane.compact();
  await plane.stop("kube-apiserver", "SIGKILL");
  const since = performance.now();
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    await n2.stop("agent", signal);
    await pause(1_000);
    await startService(n2).line(/Degraded: Cannot reach the API server/, {
      withinMs: 30_000,
    });
  }
  await pause(OUTAGE_MS - (performance.now() - since));
  await plane.compact();
  await plane.startApiServer();
  await cluster.ready(120_000);
  for (const { name } of cluster.nodes) {
    await patchCondition(cluster, name, { $patch: "delete" });
    await saysUp(cluster, name);
  }
}

/** By the API server's log: with which certificate it came first, and with which last. */
async function newCertificate(
  { plane }: Cluster,
  node: KubeNode,
  audit: string,
): Promise<void> {
  const served = servedIn(audit).filter(({ code, user }) =>
    code < 300 && user === `system:node:${node.name}`
  );
  const first = served[0]?.credential;
  const last = served.at(-1)?.credential;
  assert.equal(last, credentialOf(currentCertificate(node.space)));
  assert.notEqual(first, last);
  const expired = certificates(node).find((text) =>
    credentialOf(text) === first
  );
  assert.ok(expired !== undefined, "the first certificate is not known");
  const { notAfter } = validityOf(expired) ?? { notAfter: Infinity };
  await pause(Math.max(0, notAfter + 1_000 - Date.now()));
  // The control: nobody gets in with the first one.
  const [key] = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?KEY-----/.exec(
    expired,
  ) ?? [""];
  using api = new KubeApi(plane.url, {
    ca: plane.credentials.ca,
    cert: expired,
    key,
  });
  const { status } = await api.call("GET", `/api/v1/nodes/${node.name}`);
  assert.equal(status, 401);
}

/** All that this kubelet has had. */
function certificates({ space }: KubeNode): readonly string[] {
  return [...Deno.readDirSync(space.outside(PKI))]
    .filter(({ name }) => /^kubelet-client-\d.*\.pem$/.test(name))
    .map(({ name }) => Deno.readTextFileSync(space.outside(`${PKI}/${name}`)));
}

async function uninstall(cluster: Cluster, node: KubeNode): Promise<void> {
  const path = `/api/v1/nodes/${node.name}`;
  await node.stop("agent", "SIGTERM"); // as systemd does
  const said = await node.space.must([INSTALLED, "uninstall"]);
  assert.match(said, /^clusternet is uninstalled$/m);
  const after = await cluster.admin.get(path);
  assert.equal(conditionOf(after, "NetworkUnavailable"), undefined);
  assert.ok(isReady(after) && !isTainted(after));
  assert.ok("clusternet.dev/wg-pubkey" in after.metadata.annotations);
}

function nodesOf(
  { nodes: [one, two] }: Cluster,
): readonly [KubeNode, KubeNode] {
  assert.ok(one !== undefined && two !== undefined);
  return [one, two];
}
