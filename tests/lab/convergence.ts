/**
 * Watching a cluster come up from outside: what the Node objects say, and what
 * WireGuard and the file system of each node say. Nothing is asked of the
 * agents themselves, except whether they still run.
 *
 * @module
 */

import { inTurns } from "./exec.ts";
import { AT_ONCE, type Lab } from "./lab.ts";
import type { LabNode } from "./node.ts";

export const ANNOTATION = "clusternet.dev/wg-pubkey";

/** What can happen to a node on its way up, once each, in this order. */
export type Milestone =
  | { readonly kind: "key"; readonly publicKey: string }
  | { readonly kind: "cidr"; readonly podCidrs: readonly string[] }
  | { readonly kind: "ready"; readonly peers: number };

export interface ConvergenceOptions {
  readonly withinMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onMilestone?:
    | ((node: LabNode, milestone: Milestone) => void)
    | undefined;
}

/** Some node did not get there. */
export class NotConverged extends Error {
  override readonly name = "NotConverged";
  readonly node: LabNode;

  constructor(message: string, node: LabNode) {
    super(message);
    this.node = node;
  }
}

/**
 * Resolves once every node has published its key, has all others as peers and
 * a CNI configuration that a container runtime would load.
 *
 * @throws {NotConverged} when an agent ends, or the time is over
 */
export async function converged(
  lab: Lab,
  options: ConvergenceOptions,
): Promise<void> {
  const deadline = performance.now() + options.withinMs;
  const reached = new Map<LabNode, Set<Milestone["kind"]>>(
    lab.nodes.map((node) => [node, new Set()]),
  );
  const reach = (node: LabNode, milestone: Milestone): void => {
    const set = reached.get(node);
    if (set === undefined || set.has(milestone.kind)) return;
    set.add(milestone.kind);
    options.onMilestone?.(node, milestone);
  };
  const missing = (): LabNode[] =>
    lab.nodes.filter((node) => reached.get(node)?.size !== 3);
  while (missing().length > 0) {
    options.signal?.throwIfAborted();
    await lookAtNodes(lab, reach);
    await inTurns(
      missing().filter((node) => reached.get(node)?.size === 2),
      (node) => lookInside(node, lab.nodes.length - 1, reach),
      AT_ONCE,
    );
    const [first] = missing();
    if (first === undefined) return;
    for (const node of missing()) {
      if (node.agent?.running === false) {
        throw new NotConverged(`the agent of ${node.name} has ended`, node);
      }
    }
    if (performance.now() > deadline) {
      throw new NotConverged(
        `${missing().length} of ${lab.nodes.length} nodes are not ready after ${
          options.withinMs / 1000
        } s, first: ${first.name} (${await lacks(lab, first)})`,
        first,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

type Reach = (node: LabNode, milestone: Milestone) => void;

async function lookAtNodes(lab: Lab, reach: Reach): Promise<void> {
  for (const { metadata, spec } of await lab.api.nodes()) {
    const node = lab.nodes.find((each) => each.name === metadata.name);
    if (node === undefined) continue;
    const publicKey = metadata.annotations?.[ANNOTATION];
    if (publicKey !== undefined) reach(node, { kind: "key", publicKey });
    const podCidrs = spec?.podCIDRs ?? [];
    if (podCidrs.length > 0) reach(node, { kind: "cidr", podCidrs });
  }
}

async function lookInside(
  node: LabNode,
  others: number,
  reach: Reach,
): Promise<void> {
  const peers = (await node.peers()).length;
  if (peers < others || await node.conflist() === undefined) return;
  reach(node, { kind: "ready", peers });
}

async function lacks(lab: Lab, node: LabNode): Promise<string> {
  const { metadata } = await lab.api.node(node.name);
  const key = metadata.annotations?.[ANNOTATION];
  const peers = (await node.peers()).length;
  return [
    key === undefined ? "no key published" : "key published",
    `${peers} of ${lab.nodes.length - 1} peers`,
    await node.conflist() === undefined
      ? "no CNI configuration"
      : "CNI configuration there",
  ].join(", ");
}
