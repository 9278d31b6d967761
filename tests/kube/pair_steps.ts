/**
 * `clusternet doctor --pair` on a cluster whose agents are pods: a path that
 * stands, and one that is broken for real, in each way that has a sentence.
 *
 * @module
 */

import assert from "node:assert/strict";
import { PAIR_CHECKS } from "../../mod/doctor/pair_facts.ts";
import type { Explanation, Hop, Way } from "../../mod/doctor/pair.ts";
import { run, type RunResult } from "../lab/exec.ts";
import { eventually } from "../lab/harness.ts";
import { agentProgram } from "../lab/lab.ts";
import type { Cluster } from "./cluster.ts";

async function pair(
  { kubeconfig }: Pick<Cluster, "kubeconfig">,
  ...flags: readonly string[]
): Promise<RunResult> {
  return await run([
    ...[...agentProgram(), "doctor", "--kubeconfig", kubeconfig],
    ...flags,
  ]);
}

/** Its JSON, whatever it says. */
async function explained(
  cluster: Cluster,
  code: number,
): Promise<Explanation> {
  const ended = await pair(cluster, "--pair", "n1", "n2", "-o", "json");
  assert.equal(ended.code, code, ended.stdout + ended.stderr);
  return JSON.parse(ended.stdout);
}

function bad({ hops }: Way): readonly Hop[] {
  return hops.filter(({ grade }) => grade !== "good");
}

/** Of a cluster in which all is well. */
export async function pairStands(cluster: Cluster): Promise<void> {
  const { verdict, ways } = await explained(cluster, 0);
  assert.match(
    verdict.sentence,
    /^The path between n1 and n2 stands, there \([\d.]+ ms\) and back \([\d.]+ ms\)/,
  );
  const [there, back] = ways;
  assert.deepEqual([there.from, there.to, back.from, back.to], [
    ...["n1", "n2", "n2", "n1"],
  ]);
  for (const way of ways) {
    assert.deepEqual(bad(way), []);
    assert.deepEqual(way.hops.map(({ code }) => code), [
      ...["node", "agent", "link", "peer", "handshake", "probe", "machine"],
    ]);
    for (const { evidence, sentence } of way.hops) {
      assert.ok(evidence.length > 0, sentence);
    }
    const made = PAIR_CHECKS.length - 1;
    assert.match(
      way.hops.at(-1)?.sentence ?? "",
      new RegExp(
        `^${made} checks find nothing .*; 1 could not be made .* --only agent-two\\)$`,
      ),
    );
  }
  const { code, stdout } = await pair(cluster, "--pair", "n2", "n1");
  assert.equal(code, 0);
  assert.match(stdout, /^From n2 to n1\n {2}ok {6}Node n2 is Ready /m);
  assert.match(stdout, /^The path between n2 and n1 stands, .*\n$/m);
}

/** What is asked for is not there, or makes no sense. */
export async function pairRefuses(cluster: Cluster): Promise<void> {
  for (
    const [flags, code, sentence] of [
      [["--pair", "n1", "n9"], 1, /There is no Node "n9" .*: it has n1, n2\n$/],
      [["--pair", "n1", "n1"], 2, /a Node reaches itself without a tunnel/],
      [["--pair", "n1"], 2, /name two Nodes, as in --pair n1 n2/],
      [
        ["--pair", "n1", "n2", "--context", "elsewhere"],
        1,
        /no context "elsewhere"/,
      ],
    ] as const
  ) {
    const ended = await pair(cluster, ...flags);
    assert.deepEqual([ended.code, ended.stdout], [code, ""], ended.stderr);
    assert.match(ended.stderr, /^clusternet: [^\n]+\n$/);
    assert.match(ended.stderr, sentence);
  }
}

/** Where n2 drops what comes to UDP 7838; what n2 sends gets out. */
export async function pairFiltered(cluster: Cluster): Promise<void> {
  const { verdict, ways } = await explained(cluster, 1);
  assert.match(
    verdict.sentence,
    /^The path between n1 and n2 breaks first in the tunnel from n1: n1 sends \(\d+ B\), and n2 receives nothing, while what n2 sends does come to n1: UDP 7838 is filtered in this direction alone$/,
  );
  const [n1, n2] = cluster.nodes;
  assert.ok(
    verdict.cure.startsWith(
      `open UDP 7838 from ${n1?.address} to ${n2?.address} `,
    ),
    verdict.cure,
  );
  const back = ways[1].hops.find(({ code }) => code === "probe");
  assert.match(
    back?.sentence ?? "",
    /^n1 receives what n2 sends and answers .*, and n2 receives nothing: UDP 7838 is filtered on the way back alone$/,
  );
}

/** The tunnel carries packets, and pods' are dropped. */
export async function pairForwardDrop(cluster: Cluster): Promise<void> {
  const { space } = cluster.node("n2");
  await space.sh(
    "iptables-nft -I FORWARD -j ACCEPT; iptables-nft -P FORWARD DROP; iptables-nft -F FORWARD",
  );
  const { verdict, ways } = await explained(cluster, 1);
  await space.sh(
    "iptables-nft -P FORWARD ACCEPT; nft delete table ip filter",
  );
  assert.match(
    verdict.sentence,
    /breaks first at the machine of n2: n2: .*drops what is forwarded/,
  );
  assert.deepEqual(bad(ways[0]), []);
  assert.deepEqual(
    bad(ways[1]).map(({ check, grade }) => [check, grade]),
    [["forward-drop", "broken"]],
  );
}

/** n2's kubelet does not run. */
export async function pairUnreachable(cluster: Cluster): Promise<void> {
  const { verdict } = await explained(cluster, 1);
  assert.match(
    verdict.sentence,
    /^Cannot tell whether the path between n1 and n2 stands: The agent of n2 cannot be asked: Cannot ask the agent in pod \S+: .*(kubelet|connect).*; the tunnel itself carries packets both ways, as n1's probe shows$/,
  );
}

/** n2 has no pod of the agent; then its annotation is deleted, which nobody writes again. */
export async function pairAway(cluster: Cluster): Promise<void> {
  const alone = await explained(cluster, 1);
  assert.equal(alone.verdict.grade, "unknown");
  assert.match(
    alone.verdict.sentence,
    /The agent of n2 cannot be asked: it has no pod of the agent, .*; the tunnel itself carries packets both ways, as n1's probe shows$/,
  );
  const key = "clusternet.dev/wg-pubkey";
  await cluster.kubectl(["annotate", "node", "n2", `${key}-`]);
  const { verdict, ways } = await eventually("n1 has no peer", async () => {
    const found = await explained(cluster, 1);
    return found.ways[0].hops.some(({ code, grade }) =>
        code === "peer" && grade === "broken"
      )
      ? found
      : undefined;
  });
  assert.equal(verdict.grade, "broken");
  assert.match(
    verdict.sentence,
    /breaks first at the Node object of n2: Node n2 has no public key \(annotation clusternet\.dev\/wg-pubkey\), so it is nobody's peer$/,
  );
  const peer = ways[0].hops.find(({ code }) => code === "peer");
  assert.match(
    peer?.sentence ?? "",
    /^n2 is no peer of n1: Node n2 has published no public key yet/,
  );
}
