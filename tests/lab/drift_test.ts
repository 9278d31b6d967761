import assert from "node:assert/strict";
import { bringUp, eventually, labTest, patience } from "./harness.ts";
import { dataPlane, firstNode, peerLines, ready } from "./look.ts";
import type { LabNode } from "./node.ts";

interface Drift {
  readonly what: string;
  readonly command: (node: LabNode) => string;
  /** Without: both. */
  readonly only?: "kernel" | "userspace";
}

const DRIFTS: readonly Drift[] = [
  {
    what: "the route",
    command: () => "ip route del 10.0.0.0/16 dev clusternet",
  },
  {
    what: "the unreachable route",
    command: () => "ip route del unreachable 10.0.0.0/16 metric 4294967295",
  },
  {
    what: "the route without its source",
    command: () => "ip route change 10.0.0.0/16 dev clusternet proto 78",
  },
  {
    what: "the address",
    command: ({ plan }) =>
      `ip address del ${
        plan.podCidrs[0]?.replace("0/24", "1/32")
      } dev clusternet`,
  },
  {
    what: "a foreign address",
    command: () => "ip address add 10.9.9.9/32 dev clusternet",
  },
  { what: "the MTU", command: () => "ip link set clusternet mtu 1300" },
  { what: "the link's state", command: () => "ip link set clusternet down" },
  {
    what: "forwarding",
    command: () => "echo 0 > /proc/sys/net/ipv4/ip_forward",
  },
  {
    what: "the link itself",
    command: () => "ip link del clusternet",
    only: "kernel",
  },
];

labTest(
  "drift by hand is repaired within a second",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    await ready(node);
    const before = await dataPlane(node);
    for (const { what, command, only } of DRIFTS) {
      if (
        only !== undefined && only !== lab.settings.wireguard.backend
      ) continue;
      await node.space.sh(command(node));
      const begin = performance.now();
      await eventually(`${what} is repaired`, async () => {
        const now = await dataPlane(node).catch(() => "");
        return now === before ? true : undefined;
      }, patience(3_000)).catch(async (cause) => {
        const now = await dataPlane(node).catch(String);
        throw new Error(`${what}:\n${now}\ninstead of\n${before}`, { cause });
      });
      const took = performance.now() - begin;
      assert.ok(took < patience(1_000), `${what}: ${took} ms`);
    }
  },
);

labTest(
  "peers changed by hand, of which nobody tells, are repaired within 35 seconds",
  { nodes: 3 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    const before = await peerLines(node);
    const [first = "", second = ""] = await node.peers();
    await node.space.sh(`
wg set clusternet peer ${first} remove
wg set clusternet peer ${second} allowed-ips 10.0.255.0/24
wg set clusternet peer ${
      new Uint8Array(32).fill(8).toBase64()
    } allowed-ips 10.0.254.0/24`);
    await eventually("the peers are repaired", async () => {
      const now = await peerLines(node);
      return JSON.stringify(now) === JSON.stringify(before) ? true : undefined;
    }, patience(35_000));
  },
);
