/**
 * IPv6, alone and beside IPv4, on an underlay that has nothing else: real
 * kubelets, the real plugins, and kube-proxy. (Both families on both are
 * `services_test.ts`.)
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Family } from "../lab/plan.ts";
import { withCluster } from "./harness.ts";
import { documentedPaths, measurePaths, tableText } from "./paths.ts";
import { carriesAll, carriesBodies } from "./requests.ts";
import { makeWorld, ofFamily, type World } from "./world.ts";

/** Bytes: 1500 less WireGuard's 80 over IPv6. */
const MTU = 1420;

const VARIANTS: readonly {
  readonly name: string;
  readonly pods: readonly Family[];
  readonly mode: "iptables" | "nftables";
}[] = [
  { name: "pods of both families", pods: [4, 6], mode: "iptables" },
  { name: "IPv6 alone", pods: [6], mode: "nftables" },
];

for (const { name, pods, mode } of VARIANTS) {
  Deno.test(`an underlay of IPv6, ${name}: Nodes are Ready, and all is reached as documented`, async (t) => {
    const options = { underlay: [6], pods, proxy: mode } as const;
    await withCluster(options, async (cluster) => {
      await cluster.startAgents();
      await using world = await makeWorld(cluster);
      for (const family of pods) {
        await t.step(`each pod has one address of IPv${family}`, () => {
          for (const pod of [world.pod, world.neighbour, world.remote]) {
            ofFamily(pod.addresses, family);
            assert.equal(pod.addresses.length, pods.length);
          }
        });
        await t.step(
          `IPv${family}: ICMP, UDP and TCP between nodes, with 1 MB both ways, and to a Service`,
          () => everythingArrives(world, family),
        );
        await t.step(
          `IPv${family}: sources, translations and encryption are as documented (${mode})`,
          async () => {
            const results = await measurePaths(world, family);
            const expected = documentedPaths(world, family);
            assert.equal(tableText(results), tableText(expected));
          },
        );
      }
    });
  });
}

async function everythingArrives(
  world: World,
  family: Family,
): Promise<void> {
  const { pod, remote, n1, services } = world;
  const [near, far] = [pod, remote].map(({ addresses }) =>
    ofFamily(addresses, family)
  );
  await Promise.all([
    carriesAll(pod, far ?? "", { mtu: MTU }),
    carriesAll(remote, near ?? "", { mtu: MTU }),
    carriesAll(n1.space, far ?? "", { mtu: MTU }),
    carriesBodies(pod, ofFamily(services.remote.clusterIps, family), 80),
  ]);
}
