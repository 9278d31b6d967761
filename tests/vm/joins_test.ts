/**
 * A third node joins, moves, gets another key and leaves, over the kernel's WireGuard: the two
 * others have it as a peer each time, and between them nothing is lost and nothing begins anew.
 *
 * @module
 */

import assert from "node:assert/strict";
import { nodeObject } from "../lab/api.ts";
import { ANNOTATION } from "../lab/convergence.ts";
import {
  addPods,
  eventually,
  losesNothingAndHides,
  patience,
  settled,
} from "../lab/harness.ts";
import type { Lab } from "../lab/lab.ts";
import type { LabNode } from "../lab/node.ts";
import { guestLabTest } from "./guest_lab.ts";
import { begunAnew, type Tunnel, tunnelOf } from "./tunnels.ts";

guestLabTest(
  "a node that joins, moves, changes its key or leaves costs the others no packet",
  { up: firstTwo },
  async (lab) => {
    const third = lab.node("n3");
    const before = await betweenTheOthers(lab);
    await losesNothingAndHides(lab, async () => {
      for (const [what, deed] of DEEDS) {
        const began = performance.now();
        await deed(lab, third);
        const seconds = (performance.now() - began) / 1000;
        console.log(
          `${what}: all is as it should be after ${seconds.toFixed(1)} s`,
        );
        assert.deepEqual(
          begunAnew(before, await betweenTheOthers(lab)),
          [],
          what,
        );
      }
    });
  },
);

type Deed = (lab: Lab, third: LabNode) => Promise<void>;

const DEEDS: readonly (readonly [string, Deed])[] = [
  ["it joins", join],
  ["it moves", move],
  ["it gets another key", replaceKey],
  ["it leaves", leave],
];

/** The third is booted, and no more than that. */
async function firstTwo(lab: Lab): Promise<void> {
  await lab.boot();
  const later = lab.nodes.splice(2);
  try {
    await lab.register();
    await lab.assignPodCidrs();
    for (const node of lab.nodes) node.startAgent();
    await settled(lab);
    await addPods(lab, 1);
  } finally {
    lab.nodes.push(...later);
  }
}

async function join(lab: Lab, third: LabNode): Promise<void> {
  await lab.api.create(nodeObject(third.plan));
  third.startAgent();
  await othersSee(lab, "n3 is there", (peers) => peers.size === 2);
  await eventually("n3 takes pods", async () => {
    return await third.conflist() === undefined ? undefined : true;
  }, patience(10_000));
  await third.addPod("n3-a");
  await reachesThird(lab, third);
}

/** As where its network gives it another lease: the kubelet writes it to the Node. */
async function move(lab: Lab, third: LabNode): Promise<void> {
  const [was = ""] = third.plan.internalIps;
  const address = addressAfter(third);
  const key = await keyOf(third);
  await third.space.sh(`
echo 1 > /proc/sys/net/ipv4/conf/eth0/promote_secondaries
ip address add ${address}/24 dev eth0
ip address del ${was}/24 dev eth0`);
  await lab.api.patchStatus(third.name, {
    status: { addresses: [{ type: "InternalIP", address }] },
  });
  await othersSee(
    lab,
    `n3 is at ${address}`,
    (peers) => peers.get(key) === `${address}:7838`,
  );
  await reachesThird(lab, third);
}

/** The plan draws from 10 to 209. */
function addressAfter({ plan }: LabNode): string {
  return (plan.internalIps[0] ?? "").replace(/\d+$/, "250");
}

/** Of the new peer nothing was heard yet: its endpoint is what the Node says. */
async function replaceKey(lab: Lab, third: LabNode): Promise<void> {
  const was = await keyOf(third);
  await third.stopAgent();
  await third.space.must(["rm", third.keyFile]);
  third.startAgent();
  const key = await eventually("n3 publishes another key", async () => {
    const { metadata } = await lab.api.node(third.name);
    const now = metadata.annotations?.[ANNOTATION];
    return now === was ? undefined : now;
  }, patience(10_000));
  await othersSee(
    lab,
    "n3 has another key",
    (peers) =>
      peers.get(key) === `${addressAfter(third)}:7838` && !peers.has(was),
  );
  await reachesThird(lab, third);
}

/** Switched off, and its Node removed. */
async function leave(lab: Lab, third: LabNode): Promise<void> {
  await third.end();
  await lab.api.remove(third.name);
  await othersSee(lab, "n3 is gone", (peers) => peers.size === 1);
}

function othersOf(lab: Lab): readonly [LabNode, LabNode] {
  return [lab.node("n1"), lab.node("n2")];
}

async function keyOf(node: LabNode): Promise<string> {
  const said = await node.space.must([
    ...["wg", "show", "clusternet", "public-key"],
  ]);
  return said.trim();
}

/** @param look at the endpoints by public key */
async function othersSee(
  lab: Lab,
  what: string,
  look: (peers: ReadonlyMap<string, string>) => boolean,
): Promise<void> {
  for (const node of othersOf(lab)) {
    await eventually(`${node.name} sees that ${what}`, async () => {
      const said = await node.space.must([
        ...["wg", "show", "clusternet", "endpoints"],
      ]);
      const peers = said.trim().split("\n").map((line): [string, string] => {
        const [key = "", endpoint = ""] = line.split("\t");
        return [key, endpoint];
      });
      return look(new Map(peers)) ? true : undefined;
    }, patience(10_000));
  }
}

/** Both ways through the tunnel, from each of the others. */
async function reachesThird(lab: Lab, third: LabNode): Promise<void> {
  const [pod] = third.pods;
  assert.ok(pod !== undefined);
  for (const node of othersOf(lab)) {
    const from = node.pods[0]?.name;
    await eventually(`a pod of ${node.name} reaches that of n3`, async () => {
      const ping = ["ping", "-q", "-c", "1", "-W", "1", ...pod.addresses];
      const { code } = await node.space.run(ping, { pod: from });
      return code === 0 ? true : undefined;
    }, patience(10_000));
  }
}

/** The first's link, and of its sessions the one with the second. */
async function betweenTheOthers(lab: Lab): Promise<Tunnel> {
  const [first, second] = othersOf(lab);
  const { ifindex, sessions } = await tunnelOf(first);
  const key = await keyOf(second);
  const session = sessions.get(key);
  assert.ok(session !== undefined, "n1 has n2 as a peer");
  return { ifindex, sessions: new Map([[key, session]]) };
}
