/**
 * Asks every agent of a cluster, from wherever a kubeconfig leads there: the
 * Nodes, the agents' pods, and in each of these `clusternet status`.
 *
 * @module
 */

import type {
  ClusterView,
  NodeAnswer,
  NodeView,
} from "../core/cluster_view.ts";
import { forEachFew } from "../core/each.ts";
import { errorText, FatalError } from "../core/errors.ts";
import type { NodeRecord } from "../core/node.ts";
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

/** Agents that are asked at once. */
const AT_ONCE = 16;

/** Milliseconds for one Node. */
const NODE_MS = 20_000;

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
  /** Told how many of how many have been asked. */
  readonly progress?: (asked: number, nodes: number) => void;
}

/** @throws {FatalError} one sentence: the cluster cannot be asked, or is another one */
export async function gatherCluster(
  options: ClusterViewOptions,
): Promise<ClusterView> {
  const { annotation, signal } = options;
  using cluster = await openCluster(options);
  const { nodes, server } = cluster;
  const views: NodeView[] = [];
  await forEachFew(nodes, { atOnce: AT_ONCE, signal }, async (node) => {
    const answer = await askForStatus(cluster, node, options);
    views.push({ node, answer });
    options.progress?.(views.length, nodes.length);
  });
  views.sort((a, b) => a.node.name < b.node.name ? -1 : 1);
  return { server, time: utcNow(), annotation, nodes: views };
}

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
    throw new FatalError(
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
  { probe, signal }: Pick<ClusterViewOptions, "probe" | "signal">,
): Promise<NodeAnswer> {
  const pod = cluster.podOf(node.name);
  if (pod === undefined) return { kind: "none", why: withoutPod(node) };
  const place = placeOf(pod);
  if (!pod.running) {
    return { kind: "none", why: `its ${place} does not run: ${pod.reason}` };
  }
  const command = ["status", "--output", "json"];
  if (!probe) command.push("--no-probe");
  const said = await runInPod(cluster, pod, { command, signal });
  return typeof said === "string"
    ? { kind: "none", why: said }
    : answerOf(place, said);
}

/** For messages. */
export function placeOf({ namespace, name }: AgentPod): string {
  return `pod ${namespace}/${name}`;
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
  { command, signal, withinMs = NODE_MS }: {
    readonly command: readonly string[];
    readonly signal: AbortSignal;
    readonly withinMs?: number;
  },
): Promise<ProgramOutput | string> {
  const late = AbortSignal.timeout(withinMs);
  try {
    const within = AbortSignal.any([signal, late]);
    return await pods.run(pod, [AGENT_PROGRAM, ...command], within);
  } catch (error) {
    signal.throwIfAborted();
    return late.aborted
      ? `its ${placeOf(pod)} gives no answer within ${withinMs / 1_000} s`
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
