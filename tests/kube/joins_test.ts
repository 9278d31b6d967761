/**
 * A third node comes, moves, loses its key and goes, while the pods of the other
 * two speak to each other.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ANNOTATION } from "../lab/convergence.ts";
import { eventually } from "../lab/harness.ts";
import { LINK } from "../lab/node.ts";
import type { Cluster } from "./cluster.ts";
import { withCluster } from "./harness.ts";
import type { KubeNode } from "./kube_node.ts";
import { losesNothing, type RunningPod, runPod } from "./pods.ts";
import { gatewayOf, mustPing } from "./requests.ts";

const KEY_FILE = "/var/lib/clusternet/private.key";

/** From the annotation on the Node to the first answer, milliseconds. */
const REACHABLE_MS = 2_000;

Deno.test("a third node joins, moves, gets another key and leaves, and the others lose nothing", async (t) => {
  await withCluster({}, async (cluster) => {
    await cluster.startAgents();
    const pair = await Promise.all([
      runPod(cluster, { name: "a", node: "n1" }),
      runPod(cluster, { name: "b", node: "n2" }),
    ]);
    const step = async (
      claim: string,
      deed: () => Promise<void>,
    ): Promise<void> => {
      await t.step(claim, () => losesNothing(pair, deed));
    };
    await step(
      "it joins, and answers a pod within 2 s of its annotation",
      () => joins(cluster, pair),
    );
    await step(
      "its InternalIP changes, and it is found there",
      () => moves(cluster, pair),
    );
    await step(
      "its key is gone, and with a new one it is reached again",
      () => forgetsItsKey(cluster, pair),
    );
    await step(
      "it leaves, and is a peer no longer",
      () => leaves(cluster),
    );
  });
});

type Pair = readonly [RunningPod, RunningPod];

async function joins(cluster: Cluster, [a, b]: Pair): Promise<void> {
  const node = await cluster.join("n3");
  await cluster.registered();
  const address = await gatewayOfNode(cluster);
  node.startAgent();
  // When it was not there yet: it came at some time after that.
  let begin = performance.now();
  await keyOf(cluster, undefined, () => begin = performance.now());
  await reaches(a, address);
  const took = performance.now() - begin;
  assert.ok(took < REACHABLE_MS, `${took} ms`);
  await reaches(b, address);
  await cluster.ready();
  const c = await runPod(cluster, { name: "c", node: "n3" });
  await Promise.all([
    mustPing(a, c.address),
    mustPing(c, a.address),
    mustPing(c, b.address),
  ]);
}

/** Its own of the pods' range, on the link itself: there from the agent's first turn. */
async function gatewayOfNode(cluster: Cluster): Promise<string> {
  const { spec } = await cluster.admin.get("/api/v1/nodes/n3");
  return gatewayOf(spec.podCIDR.replace(/\/\d+$/, ""));
}

/** Tries until there is an answer. */
async function reaches(pod: RunningPod, address: string): Promise<void> {
  await eventually(`${pod.name} reaches ${address}`, async () => {
    const ping = ["ping", "-n", "-q", "-c", "1", "-W", "0.2", address];
    return (await pod.run(ping)).code === 0 ? true : undefined;
  }, 30_000);
}

/** The published key, once it is another; `notYet` is called each time that it is not. */
async function keyOf(
  { admin }: Cluster,
  than: string | undefined,
  notYet: () => void = () => {},
): Promise<string> {
  const look = (node: {
    readonly metadata: {
      readonly annotations?: Readonly<Record<string, string>>;
    };
  }): string | undefined => node.metadata.annotations?.[ANNOTATION];
  const node = await admin.until(
    "/api/v1/nodes/n3",
    (node) => {
      const isNew = look(node) !== undefined && look(node) !== than;
      if (!isNew) notYet();
      return isNew;
    },
    { what: "n3 publishes another key" },
  );
  return look(node) ?? "";
}

/** Another lease of the DHCP server, say: the kubelet is told at its next start. */
async function moves(cluster: Cluster, pair: Pair): Promise<void> {
  const node = cluster.node("n3");
  const moved = "192.168.78.250";
  await node.stop("kubelet");
  await node.space.sh(`
echo 1 > /proc/sys/net/ipv4/conf/eth0/promote_secondaries
ip address add ${moved}/24 dev eth0
ip address del ${node.address}/24 dev eth0`);
  node.startKubelet({ "node-ip": moved });
  await cluster.admin.until(
    "/api/v1/nodes/n3",
    ({ status }) => status.addresses[0]?.address === moved,
    { what: "the kubelet says where it is now" },
  );
  for (const other of others(cluster)) {
    await eventually(`${other.name} has the new endpoint`, async () => {
      const endpoints = await wg(other, "endpoints");
      return endpoints.includes(`${moved}:`) ? true : undefined;
    });
  }
  const address = await gatewayOfNode(cluster);
  for (const pod of pair) await reaches(pod, address);
}

async function forgetsItsKey(cluster: Cluster, pair: Pair): Promise<void> {
  const node = cluster.node("n3");
  const before = await keyOf(cluster, undefined);
  await node.stop("agent");
  await node.space.sh(`rm ${KEY_FILE}`);
  node.startAgent();
  const after = await keyOf(cluster, before);
  const address = await gatewayOfNode(cluster);
  for (const pod of pair) await reaches(pod, address);
  for (const other of others(cluster)) {
    const peers = await wg(other, "peers");
    assert.ok(peers.includes(after) && !peers.includes(before), peers);
  }
}

async function leaves(cluster: Cluster): Promise<void> {
  const key = await keyOf(cluster, undefined);
  await cluster.leave("n3");
  for (const other of others(cluster)) {
    await eventually(`${other.name} has forgotten it`, async () => {
      const peers = await wg(other, "peers");
      return peers.includes(key) ? undefined : true;
    });
    assert.match(await wg(other, "peers"), /^\S+\n$/);
  }
}

function others({ nodes }: Cluster): readonly KubeNode[] {
  return nodes.filter(({ name }) => name !== "n3");
}

function wg({ space }: KubeNode, what: string): Promise<string> {
  return space.must(["wg", "show", LINK, what]);
}
