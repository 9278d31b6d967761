/**
 * `clusternet plan`: what the agent would do now, and why. A dry run: nothing is
 * written but the file of `--save`.
 *
 * @module
 */

import { type DryRun, dryRun } from "../core/dry_run.ts";
import { FatalError } from "../core/errors.ts";
import { wantsHelp } from "../core/flags.ts";
import { type Snapshot, snapshotText } from "../core/snapshot.ts";
import { systemReason } from "../sys/directory.ts";
import { planText } from "../view/plan_text.ts";
import { lookAt } from "./plan_look.ts";
import { parsePlan, planHelp } from "./plan_options.ts";

/** Of `--exit-code`: there is something to do. */
const SOMETHING_TO_DO = 3;

/** @returns the exit code */
export async function plan(args: readonly string[]): Promise<number> {
  if (wantsHelp(args)) {
    console.log(planHelp().trimEnd());
    return 0;
  }
  const options = parsePlan(args);
  const { exitCode, format, save } = options;
  const snapshot = await lookAt(options);
  const result = dryRun(snapshot);
  if (save === "-") {
    console.log(snapshotText(snapshot).trimEnd());
    return 0;
  }
  if (save !== undefined) await keep(save, snapshot);
  console.log(
    format === "json" ? jsonText(result) : planText(result).trimEnd(),
  );
  if (result.problems.length > 0) return 1;
  return exitCode && result.steps.length > 0 ? SOMETHING_TO_DO : 0;
}

function jsonText(result: DryRun): string {
  return JSON.stringify(result, null, 2);
}

async function keep(file: string, snapshot: Snapshot): Promise<void> {
  try {
    await Deno.writeTextFile(file, snapshotText(snapshot), { mode: 0o600 });
  } catch (cause) {
    throw new FatalError(
      `Cannot keep the snapshot in ${file}: ${systemReason(cause)}`,
      1,
      { cause },
    );
  }
}
