/**
 * Who reaches whom on two nodes with nothing but Kubernetes, the CNI plugins and
 * the agent: no kube-proxy runs here.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Child } from "../lab/exec.ts";
import { echoesArriving } from "../lab/echoes.ts";
import { eventually } from "../lab/harness.ts";
import type { Cluster } from "./cluster.ts";
import { withCluster } from "./harness.ts";
import { losesNothing, type RunningPod } from "./pods.ts";
import { ask, carriesAll, carriesBodies, seenAs } from "./requests.ts";
import { ourTable, tableIsBack, withoutTable } from "./tables.ts";
import { HOST_PORT, MAPPED_PORT, runPods, startNetexec } from "./world.ts";

/** Bytes: 1500 less WireGuard's 60 over IPv4. */
const MTU = 1440;

interface Ground {
  readonly cluster: Cluster;
  readonly pod: RunningPod;
  readonly neighbour: RunningPod;
  readonly remote: RunningPod;
}

Deno.test("two nodes and a host outside reach what they should, without kube-proxy", async (t) => {
  await withCluster({}, async (cluster) => {
    await cluster.startAgents();
    const [pod, neighbour, remote] = await runPods(cluster);
    const ground = { cluster, pod, neighbour, remote };
    await t.step(
      "pods and nodes reach pods and nodes by ICMP, UDP and TCP, with what is larger than a packet, both ways",
      () => everythingArrives(ground),
    );
    await t.step(
      "kubectl exec, logs and port-forward reach pods through the kubelet's InternalIP",
      () => kubectlReaches(ground),
    );
    await t.step(
      "a host outside sees the node's address, a pod the pod's; without masquerading the pod's as well",
      () => masquerades(ground),
    );
    await t.step(
      "a pod cannot speak as its neighbour, nor as a pod of another node",
      () => nobodyForges(ground),
    );
    await t.step(
      "a flush of all tables is repaired within a second, and pods lose nothing",
      () => flushIsRepaired(ground),
    );
  });
});

async function everythingArrives(ground: Ground): Promise<void> {
  const { cluster, pod, neighbour, remote } = ground;
  const [n1, n2] = [cluster.node("n1"), cluster.node("n2")];
  const outside = cluster.settings.underlay;
  await Promise.all([
    carriesAll(pod, remote.address, { mtu: MTU }),
    carriesAll(remote, pod.address, { mtu: MTU }),
    carriesAll(pod, neighbour.address, { mtu: MTU }),
    carriesAll(pod, n2.address, { mtu: MTU, port: HOST_PORT }),
    carriesAll(n1.space, remote.address, { mtu: MTU }),
    carriesBodies(outside, n1.address, MAPPED_PORT),
    carriesBodies(remote, n1.address, MAPPED_PORT),
  ]);
  const { plane, plan } = cluster;
  const version = await ask(pod, plan.apiAddress, {
    ...{ scheme: "https", port: 6443, path: "/version" },
    more: ["--cacert", plane.credentials.files.ca],
  });
  assert.match(version, /gitVersion/);
}

async function kubectlReaches({ cluster }: Ground): Promise<void> {
  const exec = ["exec", "remote", "--", "/bin/hostname"];
  const [said, logs] = await Promise.all([
    cluster.kubectl(exec),
    cluster.kubectl(["logs", "remote"]),
  ]);
  assert.equal(said.trim(), "remote");
  assert.match(logs, /Started HTTP server on port *:?8080/);
  const forward = new Child(
    "port-forward",
    cluster.kubectlCommand(["port-forward", "pod/remote", ":8080"]),
  );
  try {
    const line = await forward.line(/Forwarding from 127\.0\.0\.1:/);
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(line)?.[1]);
    const options = { port, path: "/hostname" };
    const name = await ask(cluster.settings.underlay, "127.0.0.1", options);
    assert.equal(name, "remote");
  } finally {
    await forward.stop();
  }
}

async function masquerades({ cluster, pod, remote }: Ground): Promise<void> {
  const netexec = startNetexec(cluster);
  const n1 = cluster.node("n1");
  const outside = cluster.plan.gateways[0] ?? "";
  const ask = (): Promise<string | undefined> =>
    seenAs(pod, outside, { port: HOST_PORT, withinSeconds: 1 });
  const isSeenAs = async (address: string): Promise<void> => {
    await eventually(
      `${outside} sees ${address}`,
      async () => await ask() === address ? true : undefined,
    );
    // Between pods it never matters.
    assert.equal(await seenAs(pod, remote.address), pod.address);
  };
  const restart = async (flags: readonly string[]): Promise<void> => {
    await n1.stop("agent");
    n1.startAgent(flags);
  };
  try {
    await isSeenAs(n1.address);
    await restart(["--masquerade=false"]);
    await eventually(
      "no answer finds the way back",
      async () => await ask() === undefined ? true : undefined,
    );
    const route = `${pod.address} via ${n1.address}`;
    await cluster.settings.underlay.sh(`ip route add ${route}`);
    await isSeenAs(pod.address);
    await cluster.settings.underlay.sh(`ip route del ${route}`);
    await restart([]);
    await isSeenAs(n1.address);
  } finally {
    await netexec.stop();
  }
}

async function nobodyForges(ground: Ground): Promise<void> {
  const { cluster, pod, neighbour, remote } = ground;
  const rows = [
    { from: pod, as: neighbour, to: remote, bare: 3 },
    { from: pod, as: remote, to: neighbour, bare: 3 },
    // WireGuard on the far side knows that this one does not live there.
    { from: remote, as: pod, to: neighbour, bare: 0 },
  ];
  for (const [node, some] of Map.groupBy(rows, ({ from }) => from.node.name)) {
    const arriving = async (): Promise<readonly number[]> => {
      const counts: number[] = [];
      for (const row of some) counts.push(await forgedArriving(row));
      return counts;
    };
    assert.deepEqual(await arriving(), some.map(() => 0), node);
    await withoutTable(cluster.node(node), async () => {
      const bare = some.map((row) => row.bare);
      assert.deepEqual(await arriving(), bare, `${node}, without our table`);
    });
  }
}

/** How many of three packets arrive. */
async function forgedArriving(
  { from, as, to }: {
    readonly from: RunningPod;
    readonly as: RunningPod;
    readonly to: RunningPod;
  },
): Promise<number> {
  const address = ["address", "add", `${as.address}/32`, "dev", "lo"];
  await from.must(["ip", ...address]);
  try {
    return await echoesArriving(
      (command) => from.run(command),
      (command) => to.run(command),
      { source: as.address, to: to.address, family: 4 },
    );
  } finally {
    await from.must(["ip", ...address.with(1, "del")]);
  }
}

async function flushIsRepaired(ground: Ground): Promise<void> {
  const { cluster, pod, remote } = ground;
  const node = cluster.node("n1");
  const ours = await ourTable(node);
  await losesNothing([pod, remote], async () => {
    for (const deed of ["flush ruleset", "delete table inet clusternet"]) {
      await node.space.sh(`nft ${deed}`);
      const took = await tableIsBack(node, ours);
      assert.ok(took < 1_000, `${deed}: ${took} ms`);
    }
  });
}
