/**
 * `clusternet doctor --pair A B`: where the path between two Nodes breaks, asked
 * from anywhere by a kubeconfig. Looks only.
 *
 * @module
 */

import type { NodeAnswer } from "../core/opinion.ts";
import { errorText, FatalError } from "../core/errors.ts";
import { nearest, wantsHelp } from "../core/flags.ts";
import { namesText } from "../core/names_text.ts";
import type { NodeRecord } from "../core/node.ts";
import type { Diagnosis } from "../doctor/check.ts";
import type { Part } from "../doctor/facts.ts";
import { explainPair } from "../doctor/pair.ts";
import {
  movedBetween,
  PAIR_CHECKS,
  type PairFacts,
  type ReadyFacts,
  type Side,
} from "../doctor/pair_facts.ts";
import { pairText } from "../doctor/pair_text.ts";
import { systemClock as clock, utcNow } from "../sys/clock.ts";
import { DoctorApi } from "../sys/doctor_api.ts";
import { askForDiagnosis } from "./ask_diagnosis.ts";
import { askForStatus } from "./ask_agent.ts";
import { type OpenCluster, openCluster } from "./cluster_view.ts";
import {
  type PairArguments,
  pairHelp,
  parsePair,
} from "./doctor_pair_options.ts";
import { progress, standardOutput, writeOut } from "./terminal.ts";

/** Nodes that are named where none is near to what was asked for. */
const NAMED = 5;

/** @returns the exit code: 0 where the path stands */
export async function doctorPair(args: readonly string[]): Promise<number> {
  if (wantsHelp(args)) {
    await writeOut(pairHelp());
    return 0;
  }
  const wanted = parsePair(args, (name) => Deno.env.get(name));
  const facts = await gatherPair(wanted);
  const explanation = explainPair(facts);
  const { server, time, a, b } = facts;
  const { verdict, ways } = explanation;
  await writeOut(
    wanted.output === "json"
      ? `${
        JSON.stringify(
          {
            ...{ schema: 1, server, time, a: a.node.name, b: b.node.name },
            ...{ verdict, ways },
          },
          null,
          2,
        )
      }\n`
      : `${pairText(explanation, standardOutput()).join("\n")}\n`,
  );
  return verdict.grade === "stands" ? 0 : 1;
}

/** @throws {FatalError} one sentence: the cluster cannot be asked, or has no such Node */
async function gatherPair(wanted: PairArguments): Promise<PairFacts> {
  const { annotation, names } = wanted;
  // Ctrl-C ends the process.
  const { signal } = new AbortController();
  using _said = progress("asking the API server…");
  using cluster = await openCluster({ ...wanted, signal });
  const [a, b] = [nodeOf(names[0], cluster), nodeOf(names[1], cluster)];
  const [readyA, readyB] = await Promise.all([
    readyOf(a.name, { cluster, signal }),
    readyOf(b.name, { cluster, signal }),
  ]);
  const [fromA, fromB] = await converse([a, b], { cluster, signal });
  progress(`examining ${a.name} and ${b.name}…`);
  const [checksA, checksB] = await Promise.all([
    checksOf(a, fromA.answer, { cluster, signal }),
    checksOf(b, fromB.answer, { cluster, signal }),
  ]);
  const pod = (node: NodeRecord): Side["pod"] => {
    const found = cluster.podOf(node.name);
    return found === undefined
      ? null
      : { namespace: found.namespace, name: found.name };
  };
  return {
    ...{ server: cluster.server, time: utcNow(), annotation },
    a: { node: a, ready: readyA, pod: pod(a), ...fromA, checks: checksA },
    b: { node: b, ready: readyB, pod: pod(b), ...fromB, checks: checksB },
  };
}

interface Asking {
  readonly cluster: OpenCluster;
  readonly signal: AbortSignal;
}

function nodeOf(
  name: string,
  { nodes, server }: OpenCluster,
): NodeRecord {
  const found = nodes.find((node) => node.name === name);
  if (found !== undefined) return found;
  const names = nodes.map((node) => node.name).toSorted();
  const near = nearest(name, names);
  const there = near === undefined
    ? `it has ${namesText(names, NAMED)}`
    : `did you mean ${near}?`;
  throw new FatalError(
    `There is no Node ${
      JSON.stringify(name)
    } in the cluster at ${server}: ${there}`,
    1,
  );
}

async function readyOf(
  name: string,
  { cluster: { access }, signal }: Asking,
): Promise<ReadyFacts | null> {
  try {
    return await new DoctorApi(access, { clock, signal }).nodeReady(name);
  } catch (cause) {
    throw new FatalError(errorText(cause), 1, { cause });
  }
}

type Said = Pick<Side, "answer" | "moved">;

/**
 * Both ends' counters, a packet from each to the other, and the counters again:
 * what one sends has the whole time to come to the other.
 */
async function converse(
  [a, b]: readonly [NodeRecord, NodeRecord],
  { cluster, signal }: Asking,
): Promise<readonly [Said, Said]> {
  const ask = (node: NodeRecord, probe: boolean): Promise<NodeAnswer> =>
    askForStatus(cluster, node, { probe, signal });
  // Who did not answer once is not waited for again.
  const again = async (
    before: NodeAnswer,
    node: NodeRecord,
    probe: boolean,
  ): Promise<NodeAnswer> => {
    if (before.kind === "none") return before;
    const next = await ask(node, probe);
    return next.kind === "none" ? before : next;
  };
  progress(`asking ${a.name} and ${b.name}…`);
  const [firstA, firstB] = await Promise.all([ask(a, false), ask(b, false)]);
  progress(`a packet from ${a.name} to ${b.name}…`);
  const probedA = await again(firstA, a, true);
  progress(`a packet from ${b.name} to ${a.name}…`);
  const probedB = await again(firstB, b, true);
  const well = answers(probedA, b.name) && answers(probedB, a.name);
  const [lastA, lastB] = well
    ? [probedA, probedB]
    : await Promise.all([again(probedA, a, false), again(probedB, b, false)]);
  return [
    { answer: lastA, moved: moved(firstA, lastA, b.name) },
    { answer: lastB, moved: moved(firstB, lastB, a.name) },
  ];
}

function answers(answer: NodeAnswer, node: string): boolean {
  return answer.kind === "status" &&
    answer.status.peers.find((peer) => peer.node === node)?.probe?.answered ===
      true;
}

function moved(
  before: NodeAnswer,
  after: NodeAnswer,
  node: string,
): Side["moved"] {
  return before.kind === "status" && after.kind === "status"
    ? movedBetween(before.status, after.status, node)
    : null;
}

/** What the doctor of that machine finds, in the agent's pod. */
async function checksOf(
  node: NodeRecord,
  answer: NodeAnswer,
  { cluster, signal }: Asking,
): Promise<Part<Diagnosis>> {
  if (answer.kind === "none") return { why: answer.why };
  return await askForDiagnosis(cluster, node, { only: PAIR_CHECKS, signal });
}
