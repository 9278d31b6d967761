/**
 * The nftables table on a stock kernel, beside its own WireGuard: the modules that it takes are
 * there, what leaves the cluster is masqueraded, and it is put back in place.
 *
 * @module
 */

import assert from "node:assert/strict";
import { addPods, eventually } from "../lab/harness.ts";
import { ready } from "../lab/look.ts";
import { guestLabTest } from "./guest_lab.ts";
import { sleep } from "./in_guest.ts";

/** RFC 5737, RFC 3849: documentation. */
const INTERNET = ["203.0.113.1/32", "2001:db8:ffff::1/128"];

guestLabTest(
  "the table masquerades, and is repaired, on the kernel's nf_tables",
  { nodes: 2, underlay: [4, 6], pods: [4, 6] },
  async (lab) => {
    const [node] = lab.nodes;
    assert.ok(node !== undefined);
    for (const address of INTERNET) {
      await lab.underlay.sh(`ip address add ${address} dev lo`);
    }
    await ready(node, 30_000);
    await addPods(lab, 1);
    await sleep(3000); // duplicate address detection
    const [pod, remote] = lab.nodes.flatMap(({ pods }) => pods);
    assert.ok(pod !== undefined && remote !== undefined);
    const reaches = async (): Promise<void> => {
      const outside = INTERNET.map((address) => address.split("/")[0] ?? "");
      for (const to of [...remote.addresses, ...outside]) {
        const ping = ["ping", "-n", "-q", "-c", "2", "-W", "5", to];
        await node.space.must(ping, { pod: pod.name });
      }
    };
    await reaches();
    const list = ["nft", "list", "ruleset"];
    const before = await node.space.must(list);
    console.log(before);
    await node.space.sh("nft flush ruleset");
    await eventually(
      "the table is back",
      async () => await node.space.must(list) === before ? true : undefined,
      12_000,
    );
    await reaches();
  },
);
