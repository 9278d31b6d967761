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
import { systemClock as clock, utcNow } from "../sys/clock.ts";
import type { KubeAccess } from "../sys/kube_access.ts";
import { openKubeAccess } from "../sys/kube_auth.ts";
import { KubeClient } from "../sys/kube_client.ts";
import {
  AGENT_LABEL,
  type AgentPod,
  KubePods,
  serverOf,
} from "../sys/kube_pods.ts";
import { type AgentPods, askForStatus, NODE_MS } from "./ask_agent.ts";

/** Agents that are asked at once: more of many, for each waits for its peers for seconds. */
const AT_ONCE = { least: 16, most: 64 };

/** As many Nodes as one more is asked at once for. */
const NODES_EACH = 40;

/** Milliseconds more for each Node of the cluster: an answer speaks of all, and many come at once. */
const MORE_MS = 10;

/** Milliseconds for a page of the list of Nodes, and for that of pods where they are few. */
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
  const { annotation } = options;
  using cluster = await openCluster(options);
  const { server } = cluster;
  const nodes = cluster.nodes.toSorted((a, b) => a.name < b.name ? -1 : 1);
  const take = begin({ server, time: utcNow(), annotation }, nodes);
  const withinMs = patience(nodes.length);
  await askEach(nodes, options, {
    ask: (node) => askForStatus(cluster, node, { ...options, withinMs }),
    isSilent: ({ kind }) => kind === "none",
    take: ({ name }, answer) => take(name, answer),
  });
}

/** Milliseconds for one of so many Nodes. @param one for one of a few */
export function patience(nodes: number, one = NODE_MS): number {
  return one + MORE_MS * nodes;
}

/** A few at a time; how far it is, is told before what is done with an answer. */
export async function askEach<Answer>(
  nodes: readonly NodeRecord[],
  { progress, signal }: Pick<ClusterViewOptions, "progress" | "signal">,
  { ask, isSilent, take }: {
    readonly ask: (node: NodeRecord) => Promise<Answer>;
    readonly isSilent: (answer: Answer) => boolean;
    readonly take: (node: NodeRecord, answer: Answer) => void | Promise<void>;
  },
): Promise<void> {
  const { length } = nodes;
  const { least, most } = AT_ONCE;
  const atOnce = Math.min(
    most,
    Math.max(least, Math.ceil(length / NODES_EACH)),
  );
  let asked = 0;
  let silent = 0;
  await forEachFew(nodes, { atOnce, signal }, async (node) => {
    const answer = await ask(node);
    asked++;
    if (isSilent(answer)) silent++;
    progress?.({ asked, nodes: length, silent });
    await take(node, answer);
  });
}

/** No agent is there, or not yet: another cluster, or one before its first agent. */
export class NoAgentsError extends FatalError {}

/** What is asked of whom: the lists are those of its opening. */
export interface OpenCluster extends AgentPods, Disposable {
  readonly access: KubeAccess;
  /** For people. */
  readonly server: string;
  readonly nodes: readonly NodeRecord[];
  readonly pods: KubePods;
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
  const [nodes, agents] = await lists(client, pods, { server, signal });
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
  { server, signal }: {
    readonly server: string;
    readonly signal: AbortSignal;
  },
): Promise<readonly [readonly NodeRecord[], readonly AgentPod[]]> {
  const nodes: NodeRecord[] = [];
  let late = AbortSignal.timeout(LIST_MS);
  try {
    for (let continueToken = "";;) {
      const query = { limit: NODES_PER_PAGE, continueToken };
      const within = AbortSignal.any([signal, late]);
      const page = await client.listPage(query, within);
      nodes.push(...page.nodes);
      continueToken = page.continueToken;
      late = AbortSignal.timeout(patience(nodes.length, LIST_MS));
      if (continueToken === "") break;
    }
    return [nodes, await pods.agents(AbortSignal.any([signal, late]))];
  } catch (cause) {
    if (signal.aborted) throw cause;
    const sentence = late.aborted
      ? `The API server at ${server} is too slow: the list of ${
        nodes.length === 0 ? "Nodes" : "Nodes and of pods"
      } has not come in time`
      : errorText(cause);
    throw new FatalError(sentence, 1, { cause });
  } finally {
    client.close();
  }
}

/** As kubectl finds it. `undefined`: there is none. */
export function usualKubeconfig(): string | undefined {
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
