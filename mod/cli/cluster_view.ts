/**
 * Asks every agent of a cluster, from wherever a kubeconfig leads there: the
 * Nodes, the agents' pods, and in each of these `clusternet status`.
 *
 * @module
 */

import type { ClusterHead } from "../core/cluster_view.ts";
import { forEachFew } from "../core/each.ts";
import { errorText, FatalError } from "../core/errors.ts";
import type { NodeRecord } from "../core/node.ts";
import type { NodeAnswer } from "../core/opinion.ts";
import { notAStatus, type Status } from "../core/status.ts";
import { systemClock as clock, utcNow } from "../sys/clock.ts";
import type { KubeAccess } from "../sys/kube_access.ts";
import { openKubeAccess } from "../sys/kube_auth.ts";
import { KubeClient } from "../sys/kube_client.ts";
import {
  AGENT_LABEL,
  AGENT_PROGRAM,
  type AgentPod,
  KubePods,
  type ProgramOutput,
  serverOf,
} from "../sys/kube_pods.ts";

/** Agents that are asked at once: more of many, for each waits for its peers for seconds. */
const AT_ONCE = { least: 16, most: 64 };

/** As many Nodes as one more is asked at once for. */
const NODES_EACH = 40;

/** Milliseconds for one Node. */
const NODE_MS = 20_000;

/** Milliseconds more for each Node of the cluster: an answer speaks of all, and many come at once. */
const MORE_MS = 10;

/** Milliseconds for the lists. */
const LIST_MS = 30_000;

const NODES_PER_PAGE = 500;

export interface ClusterViewOptions {
  /** `undefined`: `KUBECONFIG`, else `~/.kube/config`, else the pod's ServiceAccount. */
  readonly kubeconfig?: string | undefined;
  /** Of the kubeconfig; `undefined`: the current one. */
  readonly context?: string | undefined;
  /** Of the public key. */
  readonly annotation: string;
  /** Let each agent probe its peers first. */
  readonly probe: boolean;
  readonly signal: AbortSignal;
  readonly progress?: (progress: Progress) => void;
}

export interface Progress {
  readonly nodes: number;
  readonly asked: number;
  /** Of those that were asked. */
  readonly silent: number;
}

/** What is done with each answer, as it comes; until then that place asks nobody else. */
export type Take = (node: string, answer: NodeAnswer) => void | Promise<void>;

/**
 * Each answer speaks of every Node: nothing is kept here.
 *
 * @param begin told of all Nodes before the first is asked
 * @throws {FatalError} one sentence: the cluster cannot be asked, or is another one
 */
export async function gatherCluster(
  options: ClusterViewOptions,
  begin: (head: ClusterHead, nodes: readonly NodeRecord[]) => Take,
): Promise<void> {
  const { annotation, signal } = options;
  using cluster = await openCluster(options);
  const { server } = cluster;
  const nodes = cluster.nodes.toSorted((a, b) => a.name < b.name ? -1 : 1);
  const take = begin({ server, time: utcNow(), annotation }, nodes);
  const withinMs = NODE_MS + MORE_MS * nodes.length;
  let asked = 0;
  let silent = 0;
  await forEachFew(nodes, { atOnce: atOnce(nodes), signal }, async (node) => {
    const answer = await askForStatus(cluster, node, { ...options, withinMs });
    asked++;
    if (answer.kind === "none") silent++;
    options.progress?.({ asked, nodes: nodes.length, silent });
    await take(node.name, answer);
  });
}

function atOnce({ length }: readonly NodeRecord[]): number {
  const { least, most } = AT_ONCE;
  return Math.min(most, Math.max(least, Math.ceil(length / NODES_EACH)));
}

/** No agent is there, or not yet: another cluster, or one before its first agent. */
export class NoAgentsError extends FatalError {}

/** What is asked of whom: the lists are those of its opening. */
export interface OpenCluster extends Disposable {
  readonly access: KubeAccess;
  /** For people. */
  readonly server: string;
  readonly nodes: readonly NodeRecord[];
  readonly pods: KubePods;
  /** The agent's pod on that Node, the one that runs if there is one; `undefined`: none. */
  podOf(node: string): AgentPod | undefined;
}

/** @throws {FatalError} one sentence: the cluster cannot be asked, or is another one */
export async function openCluster(
  { annotation, context, kubeconfig, signal }: Pick<
    ClusterViewOptions,
    "annotation" | "context" | "kubeconfig" | "signal"
  >,
): Promise<OpenCluster> {
  const access = await openKubeAccess({
    kubeconfig: kubeconfig ?? usualKubeconfig(),
    context,
    server: undefined,
    clock,
  });
  using stack = new DisposableStack();
  const pods = stack.use(new KubePods({ access, clock }));
  const server = serverOf(access);
  const client = new KubeClient(access, { clock, annotation });
  const [nodes, agents] = await lists(client, pods, signal);
  if (agents.length === 0 && !nodes.some(({ publicKey }) => publicKey)) {
    throw new NoAgentsError(
      `No Node of the cluster at ${server} runs clusternet (${nodes.length} Nodes, none with the annotation ${annotation}, and no pod with the label ${AGENT_LABEL}): is the kubeconfig that of another cluster?`,
      1,
    );
  }
  const byNode = Map.groupBy(agents, ({ nodeName }) => nodeName);
  const opened = stack.move();
  return {
    ...{ access, server, nodes, pods },
    podOf: (node) => {
      const found = byNode.get(node) ?? [];
      return found.find(({ running }) => running) ?? found[0];
    },
    [Symbol.dispose]: () => opened.dispose(),
  };
}

async function lists(
  client: KubeClient,
  pods: KubePods,
  signal: AbortSignal,
): Promise<readonly [readonly NodeRecord[], readonly AgentPod[]]> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(LIST_MS)]);
  const nodes: NodeRecord[] = [];
  try {
    for (let continueToken = "";;) {
      const query = { limit: NODES_PER_PAGE, continueToken };
      const page = await client.listPage(query, within);
      nodes.push(...page.nodes);
      continueToken = page.continueToken;
      if (continueToken === "") break;
    }
    return [nodes, await pods.agents(within)];
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new FatalError(errorText(cause), 1, { cause });
  } finally {
    client.close();
  }
}

/** As kubectl finds it. `undefined`: there is none. */
function usualKubeconfig(): string | undefined {
  const home = Deno.env.get("HOME") ?? "";
  if (home === "" || Deno.env.get("KUBECONFIG")) return undefined;
  const file = `${home}/.kube/config`;
  try {
    Deno.statSync(file);
    return file;
  } catch {
    return undefined;
  }
}

/** How a program is run in a pod. */
export interface Exec {
  readonly pods: Pick<KubePods, "run">;
}

/** What that Node's agent says of itself. Never rejects, unless it is all over. */
export async function askForStatus(
  cluster: Pick<OpenCluster, "podOf"> & Exec,
  node: NodeRecord,
  { probe, signal, withinMs }:
    & Pick<ClusterViewOptions, "probe" | "signal">
    & Pick<RunOptions, "withinMs">,
): Promise<NodeAnswer> {
  const pod = cluster.podOf(node.name);
  if (pod === undefined) return { kind: "none", why: withoutPod(node) };
  const place = placeOf(pod);
  if (!pod.running) {
    return { kind: "none", why: `its ${place} does not run: ${pod.reason}` };
  }
  const command = ["status", "--output", "json"];
  if (!probe) command.push("--no-probe");
  const said = await runInPod(cluster, pod, { command, signal, withinMs });
  return typeof said === "string"
    ? { kind: "none", why: said }
    : answerOf(place, said);
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
  { command, signal, withinMs = NODE_MS }: RunOptions,
): Promise<ProgramOutput | string> {
  const late = AbortSignal.timeout(withinMs);
  try {
    const within = AbortSignal.any([signal, late]);
    return await pods.run(pod, [AGENT_PROGRAM, ...command], within);
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
function answerOf(
  place: string,
  { code, stdout, stderr }: ProgramOutput,
): NodeAnswer {
  const words = stderr.trim().split("\n").at(-1)?.slice(0, 500) ?? "";
  if (/there is no command "status"/.test(stderr)) {
    const why =
      `its ${place} is of an older version, which has no \`clusternet status\``;
    return { kind: "none", why };
  }
  let value: unknown;
  try {
    value = JSON.parse(stdout);
  } catch {
    const why = `its ${place} says: ${words || `exit code ${code}`}`;
    return { kind: "none", why };
  }
  const why = notAStatus(value);
  return why === undefined
    ? { kind: "status", status: value as Status }
    : { kind: "none", why: `its ${place} is not understood: ${why}` };
}
