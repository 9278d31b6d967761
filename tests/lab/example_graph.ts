/**
 * The picture in `docs/`: a mesh of real agents in which something is amiss.
 * `deno task example` draws it anew; a test holds it to what is drawn now.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { NodeAnswer } from "../../mod/core/opinion.ts";
import { graphOf } from "../../mod/view/graph_mesh.ts";
import { utcNow } from "../../mod/sys/clock.ts";
import { graphSvg } from "../../mod/view/graph_svg.ts";
import { inTurns } from "./exec.ts";
import { eventually, patience } from "./harness.ts";
import { AT_ONCE, type Lab } from "./lab.ts";
import type { LabNode } from "./node.ts";

export const EXAMPLE = new URL("../../docs/mesh.svg", import.meta.url);

/**
 * n2 and n4 are cut from each other, n5's agent has ended, and n6 has none.
 *
 * @param lab of n1 to n5
 */
export async function drawExample(lab: Lab): Promise<string> {
  await lab.api.create({
    metadata: { name: "n6" },
    spec: { podCIDRs: ["10.0.77.0/24"] },
    status: { addresses: [] },
  });
  // The first probe makes the sessions, another finds them.
  await inTurns(lab.nodes, async (node) => {
    await eventually(`${node.name} has all its sessions`, async () => {
      const answer = await statusOf(node);
      return answer.kind === "status" &&
          answer.status.peers.every(({ state }) => state === "up") || undefined;
    }, patience(20_000));
  }, AT_ONCE);
  const n2 = lab.node("n2");
  const [other = ""] = lab.node("n4").plan.internalIps;
  await n2.space.sh(`
nft add table inet cut
nft 'add chain inet cut in { type filter hook input priority 0; }'
nft add rule inet cut in ip saddr ${other} udp dport 7838 drop`);
  await lab.node("n5").stopAgent();
  const [, ...answers] = await Promise.all([
    eventually("everybody knows of n6", async () => {
      const { stdout } = await command(lab.node("n1"), "--no-probe");
      return stdout.includes('"n6"') ? true : undefined;
    }, patience(10_000)),
    ...lab.nodes.map((node) => statusOf(node)),
  ]);
  await n2.space.sh("nft delete table inet cut");
  const reports = lab.nodes.map(({ name }, at) => {
    const answer = answers[at];
    assert.ok(answer !== undefined);
    return { node: name, answer };
  });
  const why = "it has no agent: no pod of it, and no public key on its Node";
  return graphSvg(graphOf(
    [...reports, { node: "n6", answer: { kind: "none", why } }],
    { title: "Tunnels of a cluster", time: utcNow() },
  ));
}

async function statusOf(node: LabNode): Promise<NodeAnswer> {
  const { stdout, stderr } = await command(node);
  return stdout === ""
    ? { kind: "none", why: stderr.trim().replace("clusternet: ", "") }
    : { kind: "status", status: JSON.parse(stdout) };
}

async function command(
  node: LabNode,
  ...flags: readonly string[]
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const { agent } = node.settings;
  return await node.space.run([...agent, "status", "-o", "json", ...flags]);
}

/** Without ages, bytes and times, which no two runs have alike, nor where lines break for them. */
export function skeletonOf(svg: string): string {
  return svg
    .replaceAll(/<\/text>\n<text class="\w+" x="26"[^>]*>/g, " ")
    .replaceAll(/ (y|y1|y2|cy|height|viewBox)="[^"]*"/g, "")
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replaceAll(/handshake [^,<]+ ago/g, "handshake AGE ago")
    .replaceAll(/\b[\d.]+ (B|[KMG]iB)\b/g, "BYTES")
    .replaceAll(/(<line [^>]*stroke-width=")[\d.]+/g, "$1WIDTH");
}
