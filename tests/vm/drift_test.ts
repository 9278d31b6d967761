/**
 * What is changed by hand is put right: within a second where the kernel tells, within 30
 * seconds where it does not.
 *
 * @module
 */

import assert from "node:assert/strict";
import { eventually } from "../lab/harness.ts";
import { guestLabTest, orderOf } from "./guest_lab.ts";
import { sleep } from "./in_guest.ts";

/** A second on real hardware; here, emulated, still far from the timer's 30. */
const EVENT_SECONDS = 12;
/** The timer is jittered. */
const TIMER_SECONDS = 45;

const DRIFTS: readonly {
  readonly deed: string;
  readonly withinSeconds: number;
}[] = [
  {
    deed: "ip route del 10.0.0.0/16 dev clusternet",
    withinSeconds: EVENT_SECONDS,
  },
  {
    deed: "ip route del unreachable 10.0.0.0/16",
    withinSeconds: EVENT_SECONDS,
  },
  { deed: "ip address flush dev clusternet", withinSeconds: EVENT_SECONDS },
  { deed: "ip link set clusternet down", withinSeconds: EVENT_SECONDS },
  { deed: "ip link set clusternet mtu 1300", withinSeconds: EVENT_SECONDS },
  { deed: "ip link del clusternet", withinSeconds: EVENT_SECONDS },
  { deed: "nft flush ruleset", withinSeconds: EVENT_SECONDS },
  {
    deed: "nft insert rule inet clusternet guard accept",
    withinSeconds: EVENT_SECONDS,
  },
  {
    deed: "echo 0 > /proc/sys/net/ipv4/ip_forward",
    withinSeconds: EVENT_SECONDS,
  },
  {
    deed: "wg set clusternet peer $(wg show clusternet peers | head -1) remove",
    withinSeconds: TIMER_SECONDS,
  },
  {
    deed:
      "wg set clusternet peer $(wg show clusternet peers | head -1) allowed-ips 10.0.250.0/24",
    withinSeconds: TIMER_SECONDS,
  },
];

guestLabTest("drift by hand is repaired", { nodes: 2 }, async (lab) => {
  const [node] = lab.nodes;
  assert.ok(node !== undefined);
  const order = await orderOf(node);
  for (const { deed, withinSeconds } of DRIFTS) {
    // Whatever the last one has stirred up has come to rest.
    await sleep(2000);
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
});

/** A line of the agent's log, with the seconds since then in place of its time. */
function since(line: string, began: number): string {
  return line.replace(
    /^\S+Z/,
    (time) => `${((Date.parse(time) - began) / 1000).toFixed(2)} s`,
  );
}
