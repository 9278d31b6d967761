/**
 * The demo itself, as a sequence: nodes, agents, pods, matrix, proof. Tells
 * what happens as it happens and gives a verdict; cleaning up is the caller's.
 *
 * @module
 */

import { parsePrefix } from "../../mod/core/address.ts";
import { Capture, captureText, isProof } from "./capture.ts";
import { converged, type Milestone, NotConverged } from "./convergence.ts";
import { inTurns } from "./exec.ts";
import { API_PORT, AT_ONCE, type Lab } from "./lab.ts";
import { ALL_CELLS_UP_TO, chooseCells, isGood, measure } from "./matrix.ts";
import { matrixText } from "./matrix_text.ts";
import type { LabNode } from "./node.ts";
import type { Paint } from "./paint.ts";

export interface Telling {
  readonly say: (text: string) => void;
  readonly paint: Paint;
  readonly signal: AbortSignal;
}

/** Seconds for the agents to find each other: a few, and some for each node. */
function patienceMs(nodes: number): number {
  return (30 + 2 * nodes) * 1000;
}

/** @returns did every cell answer, and was nothing seen in clear? */
export async function tellStory(lab: Lab, telling: Telling): Promise<boolean> {
  const { say, signal } = telling;
  const { plan } = lab.settings;
  await lab.startApi();
  const capture = await Capture.start(lab.underlay, {
    clusterCidrs: plan.clusterCidrs.map(parsePrefix),
    apiPort: API_PORT,
  });
  say(
    `API server at ${lab.settings.apiUrl}, a capture on the wire between nodes`,
  );
  signal.throwIfAborted();
  await lab.boot();
  await lab.register();
  say(`${lab.nodes.length} nodes booted and registered, without podCIDRs yet`);
  signal.throwIfAborted();
  await startAgents(lab, telling);
  await addPods(lab, telling);
  const good = await ping(lab, telling);
  const report = await capture.stop();
  const { paint } = telling;
  const proven = isProof(report);
  say("seen on the wire between the nodes:");
  console.log((proven ? paint.good : paint.bad)(captureText(report)));
  return good && proven;
}

async function startAgents(lab: Lab, telling: Telling): Promise<void> {
  const { say, signal } = telling;
  say("agents starting; the controller gives podCIDRs");
  const started = inTurns(lab.nodes, async (node) => {
    if (signal.aborted) return;
    node.startAgent();
    // A process that starts takes a processor for itself for a while.
    if (lab.nodes.length > ALL_CELLS_UP_TO) await pause(START_MS);
  }, AT_ONCE);
  try {
    await lab.assignPodCidrs();
    await converged(lab, {
      withinMs: patienceMs(lab.nodes.length),
      signal,
      onMilestone: milestones(lab, telling),
    });
  } catch (error) {
    if (error instanceof NotConverged) tellLog(error.node, telling);
    throw error;
  } finally {
    await started;
  }
}

const START_MS = 400;

/** A line a node for a few nodes; for many, one each time that a tenth more have got there. */
function milestones(
  lab: Lab,
  { say }: Telling,
): (node: LabNode, milestone: Milestone) => void {
  const total = lab.nodes.length;
  if (total <= ALL_CELLS_UP_TO) {
    return (node, milestone) => say(`${node.name} ${milestoneText(milestone)}`);
  }
  const counts = { key: 0, cidr: 0, ready: 0 };
  const what = {
    key: "have published their keys",
    cidr: "have podCIDRs",
    ready: `have all ${total - 1} peers and a CNI configuration`,
  };
  const every = Math.ceil(total / 5);
  return (_, { kind }) => {
    const count = ++counts[kind];
    if (count % every === 0 || count === total) {
      say(`${count} of ${total} nodes ${what[kind]}`);
    }
  };
}

function milestoneText(milestone: Milestone): string {
  switch (milestone.kind) {
    case "key":
      return `has its key   ${milestone.publicKey}`;
    case "cidr":
      return `has podCIDR   ${milestone.podCidrs.join(" ")}`;
    case "ready":
      return `has ${milestone.peers} peer${
        milestone.peers === 1 ? "" : "s"
      } and its CNI configuration`;
  }
}

/** Two pods a node for a few nodes; for many one, and a second on the first three. */
async function addPods(lab: Lab, { say, signal }: Telling): Promise<void> {
  const many = lab.nodes.length > ALL_CELLS_UP_TO;
  await inTurns(lab.nodes, async (node) => {
    signal.throwIfAborted();
    await node.addPod(`${node.name}-a`);
    if (!many || lab.nodes.indexOf(node) < 3) {
      await node.addPod(`${node.name}-b`);
    }
  }, AT_ONCE);
  const pods = lab.nodes.flatMap((node) => node.pods);
  say(`${pods.length} pods attached by ptp, host-local and portmap`);
}

async function ping(lab: Lab, telling: Telling): Promise<boolean> {
  const { say, paint, signal } = telling;
  const { cells, all } = chooseCells(lab.nodes, lab.settings.plan.seed);
  const count = lab.nodes.length > ALL_CELLS_UP_TO ? 2 : 3;
  say(`pinging: ${cells.length} pairs, ${count} small and ${count} large each`);
  const results = await measure(cells, { count });
  signal.throwIfAborted();
  say("round trips, row to column, best of the small pings:");
  console.log(matrixText(results, { all, paint }));
  const bad = results.filter((result) => !isGood(result));
  for (const { from, to, said } of bad.slice(0, 3)) {
    console.log(paint.bad(`${from.label} to ${to.name}:`));
    console.log(said.trim());
  }
  const [first] = bad;
  if (first !== undefined) tellLog(first.from.node, telling);
  return bad.length === 0;
}

const LOG_LINES = 15;

function tellLog(node: LabNode, { paint }: Telling): void {
  console.log(paint.bad(`last lines of the agent of ${node.name}:`));
  console.log((node.agent?.lines ?? []).slice(-LOG_LINES).join("\n"));
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
