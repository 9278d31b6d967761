/**
 * `clusternet plan` as a person calls it in a node of a lab.
 *
 * @module
 */

import type { DryRun } from "../../mod/core/dry_run.ts";
import { dieWithUs, run, type RunResult } from "./exec.ts";
import type { LabNode } from "./node.ts";

/** Beside the flags that the node's agent has, unless the running one is to be asked. */
export async function planOn(
  node: LabNode,
  flags: readonly string[] = [],
): Promise<RunResult> {
  const { agent, env } = node.settings;
  const command = flags.includes("agent")
    ? node.space.command([...agent, "plan", ...flags])
    : node.agentCommand(flags, "plan");
  return await run(dieWithUs(command), { env });
}

export async function planJson(
  node: LabNode,
  flags: readonly string[] = [],
): Promise<DryRun> {
  const { stdout, stderr } = await planOn(node, [...flags, "-o", "json"]);
  try {
    return JSON.parse(stdout);
  } catch {
    throw new Error(`Cannot read the plan: ${stdout}${stderr}`);
  }
}
