/**
 * What is changed by hand is put right: within a second where the kernel tells, within 30
 * seconds where it does not.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertFound, doctor, prove } from "../lab/doctor.ts";
import { eventually } from "../lab/harness.ts";
import type { Lab } from "../lab/lab.ts";
import type { LabNode } from "../lab/node.ts";
import { guestLabTest, orderOf } from "./guest_lab.ts";
import { sleep } from "./in_guest.ts";

/** A second on real hardware; here, emulated, still far from the timer's 30. */
const EVENT_SECONDS = 12;
/** The timer is jittered. */
const TIMER_SECONDS = 45;

/** The kernel tells of these. */
const TOLD: readonly string[] = [
  "ip route del 10.0.0.0/16 dev clusternet",
  "ip route del unreachable 10.0.0.0/16",
  "ip address flush dev clusternet",
  "ip link set clusternet down",
  "ip link set clusternet mtu 1300",
  "ip link del clusternet",
  "nft flush ruleset",
  "nft insert rule inet clusternet guard accept",
  "echo 0 > /proc/sys/net/ipv4/ip_forward",
];

/** Of these it does not: one on each node, since a timer is waited for. */
const UNTOLD: readonly string[] = [
  "wg set clusternet peer $(wg show clusternet peers | head -1) remove",
  "wg set clusternet peer $(wg show clusternet peers | head -1) allowed-ips 10.0.250.0/24",
];

guestLabTest("drift by hand is repaired", { nodes: 2 }, async (lab) => {
  const [node] = lab.nodes;
  assert.ok(node !== undefined);
  for (const deed of TOLD) {
    // Whatever the last one has stirred up has come to rest.
    await sleep(2000);
    await isRepaired(node, deed, EVENT_SECONDS);
  }
  await sleep(2000);
  await Promise.all(UNTOLD.map(async (deed, index) => {
    const each = lab.nodes[index];
    assert.ok(each !== undefined);
    await isRepaired(each, deed, TIMER_SECONDS);
  }));
  await findsWhatNoNamespaceHas(lab);
});

/** The clock and the table of connections are the machine's: broken here, with its kernel. */
async function findsWhatNoNamespaceHas(lab: Lab): Promise<void> {
  const only = ["--only", "conntrack-full,handshake-future"];
  const [node, other] = lab.nodes;
  assert.ok(node !== undefined && other !== undefined);
  // The peer is a new one: it shakes hands when it is sent to.
  const [prefix = ""] = other.plan.podCidrs;
  const address = prefix.replace("0/24", "1");
  await node.space.sh(`ping -c 1 -W 20 ${address} > /dev/null`);
  const proof = await prove(node);
  assert.ok(proof.proven, JSON.stringify(proof, null, 1));
  const well = await doctor(node, only);
  assert.deepEqual(well, { ...well, findings: [], notMade: [] });
  const usual = (await Deno.readTextFile(CONNTRACK_MAX)).trim();
  const now = Date.now();
  const since = performance.now();
  try {
    await setClock(node, now - 3_600_000);
    const back = await doctor(node, ["--only", "handshake-future"]);
    assertFound(back, "handshake-future", /lies in the future/);
  } finally {
    await setClock(node, now + performance.now() - since);
  }
  try {
    // No new connection comes through any more, not even to the API server.
    await Deno.writeTextFile(CONNTRACK_MAX, "1");
    const full = await doctor(node, ["--only", "conntrack-full"]);
    assertFound(full, "conntrack-full", /\d+ of 1 connections are tracked/);
  } finally {
    await Deno.writeTextFile(CONNTRACK_MAX, usual);
  }
}

const CONNTRACK_MAX = "/proc/sys/net/netfilter/nf_conntrack_max";

/** Milliseconds since 1970; the tool of the guest takes whole seconds. */
async function setClock(node: LabNode, milliseconds: number): Promise<void> {
  await node.space.sh(
    `date -s @${Math.round(milliseconds / 1_000)} > /dev/null`,
  );
}

async function isRepaired(
  node: LabNode,
  deed: string,
  withinSeconds: number,
): Promise<void> {
  const order = await orderOf(node);
  const seen = node.agent?.lines.length ?? 0;
  const began = Date.now();
  await node.space.sh(deed);
  await eventually(`"${deed}" is repaired`, async () => {
    return await orderOf(node).catch(() => "") === order ? true : undefined;
  }, withinSeconds * 1000);
  const lines = node.agent?.lines.slice(seen) ?? [];
  console.log(
    [deed, ...lines.map((line) => `  ${since(line, began)}`)].join("\n"),
  );
}

/** A line of the agent's log, with the seconds since then in place of its time. */
function since(line: string, began: number): string {
  return line.replace(
    /^\S+Z/,
    (time) => `${((Date.parse(time) - began) / 1000).toFixed(2)} s`,
  );
}
