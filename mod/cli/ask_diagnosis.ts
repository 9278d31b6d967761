/**
 * What the doctor in an agent's pod finds on its machine, asked from anywhere.
 *
 * @module
 */

import type { NodeRecord } from "../core/node.ts";
import { type Diagnosis, diagnosisIn } from "../doctor/check.ts";
import type { Part } from "../doctor/facts.ts";
import type { ProgramOutput } from "../sys/kube_pods.ts";
import {
  type AgentPods,
  type Exec,
  placeOf,
  podToAsk,
  runInPod,
  type RunOptions,
  whyNoAnswer,
} from "./ask_agent.ts";

/** Milliseconds for the checks of one machine: one part may take 20 s. */
export const CHECKS_MS = 45_000;

/** Never rejects, unless it is all over. @param only codes; `undefined`: all that it knows */
export async function askForDiagnosis(
  cluster: AgentPods & Exec,
  node: NodeRecord,
  { only, signal, withinMs = CHECKS_MS }:
    & { readonly only: readonly string[] | undefined }
    & Pick<RunOptions, "signal" | "withinMs">,
): Promise<Part<Diagnosis>> {
  const pod = podToAsk(cluster, node);
  if (typeof pod === "string") return { why: pod };
  const command = ["doctor", "--output", "json"];
  if (only !== undefined) command.push("--only", only.join(","));
  const said = await runInPod(cluster, pod, { command, signal, withinMs });
  return typeof said === "string"
    ? { why: said }
    : diagnosisOf(placeOf(pod), said);
}

/** Who finds something says so with exit code 1, and what it is all the same. */
function diagnosisOf(place: string, output: ProgramOutput): Part<Diagnosis> {
  const [, check] =
    /Cannot use --only (\S+): there is no such check/.exec(output.stderr) ?? [];
  if (check !== undefined) {
    const why =
      `its ${place} is of an older version, which has no check ${check}`;
    return { why };
  }
  let answer: unknown;
  try {
    answer = JSON.parse(output.stdout);
  } catch {
    return { why: whyNoAnswer(place, "doctor", output) };
  }
  const value = diagnosisIn(answer);
  if (value !== undefined) return { value };
  const why =
    `its ${place} is not understood: it is of another version, use the executable of the same one`;
  return { why };
}
