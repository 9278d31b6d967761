/**
 * One Node's agent, asked through the API server: a command of the program in
 * its pod.
 *
 * @module
 */

import { errorText } from "../core/errors.ts";
import type { NodeRecord } from "../core/node.ts";
import type { NodeAnswer } from "../core/opinion.ts";
import { notAStatus, type Status } from "../core/status.ts";
import {
  AGENT_PROGRAM,
  type AgentPod,
  type KubePods,
  type ProgramOutput,
} from "../sys/kube_pods.ts";
import { gunzipped, isGzip } from "../wire/gzip.ts";

/** Milliseconds for one Node. */
export const NODE_MS = 20_000;

/** Bytes of a status, unpacked: that of 5,000 Nodes has some 2 MB. */
const STATUS_LIMIT = 32 * 1024 * 1024;

/** How a program is run in a pod. */
export interface Exec {
  readonly pods: Pick<KubePods, "run">;
}

/** The same, for what is no text. */
export interface ExecBytes {
  readonly pods: Pick<KubePods, "runForBytes">;
}

export interface AgentPods {
  /** The agent's pod on that Node, the one that runs if there is one; `undefined`: none. */
  podOf(node: string): AgentPod | undefined;
}

/** What that Node's agent says of itself. Never rejects, unless it is all over. */
export async function askForStatus(
  cluster: AgentPods & ExecBytes,
  node: NodeRecord,
  options: StatusOptions,
): Promise<NodeAnswer> {
  const pod = podToAsk(cluster, node);
  if (typeof pod === "string") return { kind: "none", why: pod };
  const said = await statusIn("json.gz", pod, { ...options, ...cluster });
  // One of before that has no such format.
  const older = typeof said !== "string" && said.code === 2 &&
    said.stderr.includes("json.gz");
  const answer = older
    ? await statusIn("json", pod, { ...options, ...cluster })
    : said;
  return typeof answer === "string"
    ? { kind: "none", why: answer }
    : answerOf(placeOf(pod), answer);
}

interface StatusOptions extends Pick<RunOptions, "signal" | "withinMs"> {
  /** Let it probe its peers first. */
  readonly probe: boolean;
}

/** Packed, for it passes kubelet and API server, and speaks of all Nodes. */
async function statusIn(
  format: "json" | "json.gz",
  pod: AgentPod,
  { pods, probe, ...within }: StatusOptions & ExecBytes,
): Promise<ProgramOutput | string> {
  const command = [AGENT_PROGRAM, "status", "--output", format];
  if (!probe) command.push("--no-probe");
  return await inTime(pod, within, async (signal) => {
    const options = { limit: STATUS_LIMIT, signal };
    const { stdout, ...end } = await pods.runForBytes(pod, command, options);
    return { ...end, stdout: await textOf(stdout, pod) };
  });
}

async function textOf(
  bytes: Uint8Array<ArrayBuffer>,
  pod: AgentPod,
): Promise<string> {
  if (!isGzip(bytes)) return new TextDecoder().decode(bytes);
  try {
    return await gunzipped(bytes, STATUS_LIMIT);
  } catch (cause) {
    const why = errorText(cause);
    throw new Error(`its ${placeOf(pod)} is not understood: ${why}`);
  }
}

/** The agent's pod of that Node, which runs. @returns the end of a sentence where there is none to ask */
export function podToAsk(
  cluster: AgentPods,
  node: NodeRecord,
): AgentPod | string {
  const pod = cluster.podOf(node.name);
  if (pod === undefined) return withoutPod(node);
  return pod.running ? pod : `its ${placeOf(pod)} does not run: ${pod.reason}`;
}

/** For messages. */
export function placeOf({ namespace, name }: AgentPod): string {
  return `pod ${namespace}/${name}`;
}

export interface RunOptions {
  readonly command: readonly string[];
  readonly signal: AbortSignal;
  readonly withinMs?: number | undefined;
}

/**
 * A command of the program in an agent's pod, to its end.
 *
 * @returns a sentence, or the end of one, where it could not be run. Never
 *   rejects, unless it is all over.
 */
export async function runInPod(
  { pods }: Exec,
  pod: AgentPod,
  { command, ...options }: RunOptions,
): Promise<ProgramOutput | string> {
  return await inTime(
    pod,
    options,
    (within) => pods.run(pod, [AGENT_PROGRAM, ...command], within),
  );
}

/** @returns as `runInPod()`, whatever is asked for there */
export async function inTime<T>(
  pod: AgentPod,
  { signal, withinMs = NODE_MS }: Omit<RunOptions, "command">,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T | string> {
  const late = AbortSignal.timeout(withinMs);
  try {
    return await ask(AbortSignal.any([signal, late]));
  } catch (error) {
    signal.throwIfAborted();
    return late.aborted
      ? `its ${placeOf(pod)} gives no answer within ${
        Math.round(withinMs / 1_000)
      } s`
      : errorText(error);
  }
}

function withoutPod({ publicKey }: NodeRecord): string {
  return publicKey === undefined
    ? "it has no agent: no pod of it, and no public key on its Node"
    : "it has no pod of the agent, but a public key: the agent is a service of the host; run `clusternet status` there";
}

/** An agent that is not well says so with exit code 1, and its status all the same. */
function answerOf(place: string, output: ProgramOutput): NodeAnswer {
  let value: unknown;
  try {
    value = JSON.parse(output.stdout);
  } catch {
    return { kind: "none", why: whyNoAnswer(place, "status", output) };
  }
  const why = notAStatus(value);
  return why === undefined
    ? { kind: "status", status: value as Status }
    : { kind: "none", why: `its ${place} is not understood: ${why}` };
}

/** Why a command of the program has printed no answer. */
export function whyNoAnswer(
  place: string,
  command: string,
  { code, stderr }: Pick<ProgramOutput, "code" | "stderr">,
): string {
  if (stderr.includes(`there is no command "${command}"`)) {
    return `its ${place} is of an older version, which has no \`clusternet ${command}\``;
  }
  const words = stderr.trim().split("\n").at(-1)?.slice(0, 500);
  return `its ${place} says: ${words || `exit code ${code}`}`;
}
