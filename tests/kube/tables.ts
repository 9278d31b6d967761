/**
 * A look at a node's nftables tables.
 *
 * @module
 */

import { eventually } from "../lab/harness.ts";
import type { KubeNode } from "./kube_node.ts";

export function ourTable({ space }: KubeNode): Promise<string> {
  return space.must(["nft", "list", "table", "inet", "clusternet"]);
}

/** All tables but ours, without counters. */
export async function otherTables({ space }: KubeNode): Promise<string> {
  const text = await space.must(["nft", "-s", "list", "ruleset"]);
  return text.replace(/^table inet clusternet \{\n.*?^\}\n/ms, "");
}

/** Until it is as it was. @returns after how many ms */
export async function tableIsBack(
  node: KubeNode,
  ours: string,
): Promise<number> {
  const begin = performance.now();
  await eventually("our table is back", async () => {
    const now = await ourTable(node).catch(() => "");
    return now === ours ? true : undefined;
  });
  return performance.now() - begin;
}

/** Does it with the agent away and our table gone, and sets both again. */
export async function withoutTable(
  node: KubeNode,
  deed: () => Promise<void>,
): Promise<void> {
  const ours = await ourTable(node);
  await node.stop("agent");
  await node.space.sh("nft delete table inet clusternet");
  try {
    await deed();
  } finally {
    node.startAgent();
    await tableIsBack(node, ours);
  }
}
