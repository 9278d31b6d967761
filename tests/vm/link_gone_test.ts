/**
 * Without its link a node is silent: no packet of a pod goes out in clear, whether the agent
 * is there to repair it or not.
 *
 * @module
 */

import assert from "node:assert/strict";
import { captureText } from "../lab/capture.ts";
import { must } from "../lab/exec.ts";
import {
  addPods,
  eventually,
  patience,
  startCapture,
  twoPods,
} from "../lab/harness.ts";
import { firstNode, ready } from "../lab/look.ts";
import { probeText } from "../lab/probe.ts";
import { guestLabTest, orderOf, probePods } from "./guest_lab.ts";
import { sleep } from "./in_guest.ts";

guestLabTest(
  "`ip link del` while probing puts nothing in clear on the underlay",
  { nodes: 2 },
  async (lab) => {
    await addPods(lab, 1);
    const { from, to } = twoPods(lab);
    const { node } = from;
    const order = await orderOf(node);
    const capture = await startCapture(lab);
    await using probe = await probePods(from, to);
    await sleep(1000);
    // With an agent, which makes it anew.
    const began = performance.now();
    await node.space.must(["ip", "link", "del", "clusternet"]);
    await eventually("the link is as it was", async () => {
      return await orderOf(node).catch(() => "") === order ? true : undefined;
    }, patience(10_000));
    const seconds = (performance.now() - began) / 1000;
    await sleep(1000);
    // Without one.
    await node.stopAgent("SIGKILL");
    await node.space.must(["ip", "link", "del", "clusternet"]);
    await sleep(2000);
    const probed = await probe.stop();
    const captured = await capture.stop();
    const text = `made anew in ${seconds.toFixed(2)} s; ${probeText(probed)}; ${
      captureText(captured)
    }`;
    console.log(text);
    assert.ok(probed.lost > 0, `the probe noticed nothing: ${text}`);
    assert.equal(captured.clear.size, 0, text);
    assert.equal(captured.dropped, 0, text);
    assert.ok((captured.kinds.get("WireGuard") ?? 0) > 500, text);
  },
);

guestLabTest(
  "a tun device of the link's name, whose program is gone, is named: not the kernel's WireGuard",
  { nodes: 2 },
  async (lab) => {
    const node = firstNode(lab);
    await node.stopAgent();
    await must(["modprobe", "tun"]);
    await node.space.sh(`
ip link del clusternet
test -c /dev/net/tun || { mkdir -p /dev/net; mknod /dev/net/tun c 10 200; }
ip tuntap add clusternet mode tun`);
    const agent = node.startAgent(["--backend", "auto"]);
    assert.equal(await agent.ended, 1);
    assert.match(
      agent.lines.join("\n"),
      /^clusternet: Link clusternet is a tun device whose .* is gone: .*wireguard-go/m,
    );
    await node.space.must(["ip", "link", "del", "clusternet"]);
    node.startAgent(["--backend", "auto"]);
    await ready(node);
  },
);
