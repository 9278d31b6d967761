/**
 * The data plane does not need the agent: while one ends, however that comes
 * about, is away and starts again, no packet is lost and no session begins anew.
 *
 * @module
 */

import assert from "node:assert/strict";
import { addPods, patience, twoPods } from "../lab/harness.ts";
import type { LabNode, Pod } from "../lab/node.ts";
import { probeText } from "../lab/probe.ts";
import { guestLabTest, handshakes, orderOf, probePods } from "./guest_lab.ts";
import { sleep } from "./in_guest.ts";

guestLabTest(
  "an agent's restart under a 1 kHz probe loses no packet",
  {},
  async (lab) => {
    await addPods(lab, 1);
    const pods = twoPods(lab);
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      for (const node of [pods.from.node, pods.to.node]) {
        await losesNothing(node, signal, pods);
      }
    }
  },
);

async function losesNothing(
  node: LabNode,
  signal: "SIGTERM" | "SIGKILL",
  { from, to }: { readonly from: Pod; readonly to: Pod },
): Promise<void> {
  await using probe = await probePods(from, to);
  await sleep(1000);
  const order = await orderOf(node);
  const sessions = await handshakes(node);
  const code = await node.stopAgent(signal);
  assert.equal(code, signal === "SIGTERM" ? 0 : -9);
  await sleep(1000);
  const agent = node.startAgent();
  await agent.line(/Ready: /, { withinMs: patience(30_000) });
  await sleep(1000);
  const report = await probe.stop();
  const text = `${signal} of ${node.name}: ${probeText(report)}`;
  console.log(text);
  assert.equal(report.lost, 0, text);
  assert.ok(report.sent > 1000, text);
  assert.equal(await orderOf(node), order);
  // Sessions are renewed every two minutes by themselves, and never lost.
  const after = await handshakes(node);
  for (const [key, time] of sessions) {
    assert.ok((after.get(key) ?? -1) >= time, `the session with ${key}`);
  }
}
