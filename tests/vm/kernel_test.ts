/**
 * The guest has what other tests build on: WireGuard, namespaces, netem, nftables, CNI's
 * plugins.
 *
 * @module
 */

import assert from "node:assert/strict";
import { run, runText } from "./host.ts";
import { guestTest, NamespacePair, sh } from "./in_guest.ts";
import { WireGuardPair } from "./wireguard_pair.ts";

guestTest(
  "the kernel carries packets through WireGuard between namespaces",
  async () => {
    await using tunnel = await WireGuardPair.create("wg");
    const show = `ip netns exec ${tunnel.left.namespace} wg show wg0 transfer`;
    assert.match(await sh(show), /\t[1-9]\d*\t[1-9]\d*\n/);
  },
);

guestTest("netem loses the packets that it is told to lose", async () => {
  await using pair = await NamespacePair.create("netem");
  await sh(`ip netns exec ${pair.left} ping -q -c 3 -i 0.2 -W 2 192.0.2.2`);
  await sh(`tc -n ${pair.left} qdisc add dev eth0 root netem loss 100%`);
  await assert.rejects(
    sh(`ip netns exec ${pair.left} ping -q -c 3 -i 0.2 -W 1 192.0.2.2`),
  );
});

guestTest("nft loads a table in one batch", async () => {
  await using pair = await NamespacePair.create("nft");
  const rules =
    "table inet t { chain c { type filter hook output priority 0; drop; }; }";
  await run(["ip", "netns", "exec", pair.left, "nft", "-f", "-"], {
    stdin: new TextEncoder().encode(rules),
  });
  assert.match(
    await sh(`ip netns exec ${pair.left} nft list ruleset`),
    /table inet t/,
  );
  await assert.rejects(
    sh(`ip netns exec ${pair.left} ping -q -c 1 -W 1 192.0.2.2`),
  );
});

guestTest(
  "the CNI plugin ptp attaches a namespace, and detaches it again",
  async () => {
    await using pair = await NamespacePair.create("cni");
    const config = {
      cniVersion: "0.3.1",
      name: "k8s-pod-network",
      type: "ptp",
      mtu: 1372,
      ipam: {
        type: "host-local",
        dataDir: "/run/cni-test",
        ranges: [[{ subnet: "10.0.7.0/24" }]],
        routes: [{ dst: "0.0.0.0/0" }],
      },
    };
    await sh("ip netns add cni-pod");
    const plugin = async (command: string): Promise<string> => {
      return await runText([
        "ip",
        "netns",
        "exec",
        pair.left,
        "/usr/lib/cni/ptp",
      ], {
        stdin: new TextEncoder().encode(JSON.stringify(config)),
        env: {
          CNI_COMMAND: command,
          CNI_CONTAINERID: "pod",
          CNI_NETNS: "/var/run/netns/cni-pod",
          CNI_IFNAME: "eth0",
          CNI_PATH: "/usr/lib/cni",
        },
      });
    };
    try {
      assert.match(await plugin("ADD"), /10\.0\.7\.2\/24/);
      assert.match(await sh("ip -n cni-pod link show eth0"), /mtu 1372/);
      await sh("ip netns exec cni-pod ping -q -c 1 -W 2 10.0.7.1");
      await plugin("DEL");
      await assert.rejects(
        sh("ip -n cni-pod link show eth0"),
        /does not exist/,
      );
    } finally {
      await sh("ip netns delete cni-pod");
      await Deno.remove("/run/cni-test", { recursive: true });
    }
  },
);

guestTest(
  "Deno.execPath() runs modules of this checkout without a network",
  async () => {
    const program = `import { parsePrefix } from "${new URL(
      "../../mod/core/address.ts",
      import.meta.url,
    )}";
    console.log(String(parsePrefix("10.0.7.9/24")));`;
    assert.equal(
      await runText([Deno.execPath(), "eval", program]),
      "10.0.7.0/24\n",
    );
  },
);
