/**
 * Services, NodePorts and hostPorts beside the agent, with kube-proxy in both of
 * its modes: whose address is seen, and that neither disturbs the other.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import { Capture, captureText, isProof } from "../lab/capture.ts";
import { eventually } from "../lab/harness.ts";
import type { Family } from "../lab/plan.ts";
import { withCluster } from "./harness.ts";
import type { KubeNode } from "./kube_node.ts";
import { documentedPaths, measurePaths, tableText } from "./paths.ts";
import { losesNothing } from "./pods.ts";
import { ask, carriesBodies } from "./requests.ts";
import { makeService } from "./services.ts";
import { otherTables, ourTable, tableIsBack, withoutTable } from "./tables.ts";
import { makeWorld, ofFamily, servicesAnswer, type World } from "./world.ts";

type Mode = "iptables" | "nftables";

const FAMILIES: readonly Family[] = [4, 6];

/** kube-proxy looks this often whether somebody has taken its chains away. */
const FLAGS = { "iptables-sync-period": "1s" };

const DUAL_STACK = {
  ...{ underlay: FAMILIES, pods: FAMILIES },
  flags: { "kube-proxy": FLAGS },
};

Deno.test("Services and the agent stand beside each other, with kube-proxy in both of its modes", async (t) => {
  await withCluster({ ...DUAL_STACK, proxy: "iptables" }, async (cluster) => {
    await cluster.startAgents();
    await using world = await makeWorld(cluster);
    for (const mode of ["iptables", "nftables"] as const) {
      if (mode === "nftables") await switchProxies(world, mode);
      await t.step(
        `${mode}: whose address is seen, how often it is translated, and what is encrypted, as documented`,
        () => waysAreAsDocumented(world),
      );
      await t.step(
        `${mode}: a Service carries UDP and bodies of 1 MB across nodes, and leads pods to the API server`,
        () => servicesCarry(world),
      );
      await t.step(
        `${mode}: kube-proxy's tables stay as they are while ours is made anew`,
        () => tablesAreTheirOwn(world.n1),
      );
    }
    await t.step(
      "nftables: beside kube-proxy nothing leaves in clear by another route",
      () => guardHolds(world),
    );
    await t.step(
      "nftables: after a flush ours is back within a second, kube-proxy's with the next change",
      () => flush(world, "nftables"),
    );
    await switchProxies(world, "iptables");
    await t.step(
      "iptables: after a flush ours is back within a second, kube-proxy's when it looks",
      () => flush(world, "iptables"),
    );
  });
});

async function waysAreAsDocumented(world: World): Promise<void> {
  const capture = await Capture.start(world.outside, {
    clusterCidrs: world.cluster.plan.clusterCidrs.map(parsePrefix),
    apiPort: 6443,
  });
  const all = await Promise.all(
    FAMILIES.map(async (family) => ({
      measured: await measurePaths(world, family),
      documented: documentedPaths(world, family),
    })),
  );
  const report = await capture.stop();
  assert.ok(isProof(report), captureText(report));
  for (const { measured, documented } of all) {
    assert.equal(tableText(measured), tableText(documented));
  }
}

async function servicesCarry(
  { pod, services, cluster, n1 }: World,
): Promise<void> {
  const { files } = cluster.plane.credentials;
  const kubernetes = await cluster.admin.get(
    "/api/v1/namespaces/default/services/kubernetes",
  );
  const options = { scheme: "https", path: "/version" } as const;
  const more = ["--cacert", files.ca];
  for (const from of [pod, n1.space]) {
    for (const address of kubernetes.spec.clusterIPs) {
      const said = await ask(from, address, { ...options, more, port: 443 });
      assert.match(said, /gitVersion/);
    }
  }
  for (const family of FAMILIES) {
    const address = ofFamily(services.remote.clusterIps, family);
    await carriesBodies(pod, address, 80);
    await carriesBodies(n1.space, address, 80);
  }
}

async function tablesAreTheirOwn(node: KubeNode): Promise<void> {
  const others = await otherTables(node);
  assert.match(others, /kube-proxy|KUBE-SERVICES/);
  await withoutTable(node, async () => {
    assert.equal(await otherTables(node), others);
  });
  assert.equal(await otherTables(node), others);
}

/** Somebody's route leads past the tunnel; the Service takes it. */
async function guardHolds(world: World): Promise<void> {
  const { n1, n2, remote } = world;
  const ours = await ourTable(n1);
  await n1.stop("agent");
  for (const family of FAMILIES) {
    const far = ofFamily(remote.addresses, family);
    const via = ofFamily(n2.plan.internalIps, family);
    const route = `ip -${family} route`;
    await n1.space.sh(`${route} add ${far} via ${via} dev eth0`);
    const deed = (): Promise<void> => askService(world, family);
    assert.deepEqual(await inClear(world, deed), [], `IPv${family}`);
    await n1.space.sh("nft flush chain inet clusternet guard");
    assert.notDeepEqual(await inClear(world, deed), [], "without the guard");
    await n1.space.sh("nft delete table inet clusternet");
    await n1.space.must(["nft", "-f", "-"], { input: ours });
    await n1.space.sh(`${route} del ${far} via ${via}`);
  }
  n1.startAgent();
  await tableIsBack(n1, ours);
}

/** A pod and its node try, whether there is an answer or not. */
async function askService(
  { pod, n1, services }: World,
  family: Family,
): Promise<void> {
  const address = ofFamily(services.remote.clusterIps, family);
  const options = { port: 80, withinSeconds: 1 };
  await Promise.all(
    [pod, n1.space].map((from) => ask(from, address, options).catch(() => {})),
  );
}

async function inClear(
  { outside, cluster }: World,
  deed: () => Promise<void>,
): Promise<readonly string[]> {
  const capture = await Capture.start(outside, {
    clusterCidrs: cluster.plan.clusterCidrs.map(parsePrefix),
    apiPort: 6443,
  });
  await deed();
  const { clear, dropped } = await capture.stop();
  assert.equal(dropped, 0);
  return [...clear.keys()];
}

async function flush(world: World, mode: Mode): Promise<void> {
  const { n1, pod, remote, cluster } = world;
  const ours = await ourTable(n1);
  await losesNothing([pod, remote], async () => {
    await n1.space.sh("nft flush ruleset");
    const took = await tableIsBack(n1, ours);
    assert.ok(took < 1_000, `${took} ms`);
  });
  if (mode === "nftables") {
    await makeService(cluster, { name: "change", app: "pod", port: 8080 });
  }
  await servicesAnswer(world);
  assert.equal(await ourTable(n1), ours);
}

/** kube-proxy clears away what it has made in its other mode; until all of that has happened. */
async function switchProxies(
  world: World,
  mode: Mode,
): Promise<void> {
  const { nodes } = world.cluster;
  for (const node of nodes) {
    await node.stop("kube-proxy");
    node.startProxy(mode, FLAGS);
  }
  const wanted = mode === "nftables"
    ? ["ip kube-proxy", "ip6 kube-proxy"]
    : ["ip nat", "ip6 nat"];
  for (const node of nodes) {
    await eventually(`kube-proxy of ${node.name} has its tables`, async () => {
      const tables = await tablesOfServices(node);
      return tables.join() === wanted.join() ? true : undefined;
    }, 30_000);
  }
  await servicesAnswer(world);
}

/** Names of the tables with chains for each Service, in order. */
async function tablesOfServices(node: KubeNode): Promise<readonly string[]> {
  const chains = /^\tchain (KUBE-SVC-|service-)/m;
  return (await otherTables(node)).split(/^table /m)
    .filter((table) => chains.test(table))
    .map((table) => table.slice(0, table.indexOf(" {"))).sort();
}
