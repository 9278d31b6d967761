/**
 * `deno task conformance`: Kubernetes' own tests of the network, all of them, on
 * a real cluster of each family.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { runKubeCommand } from "./command.ts";
import {
  CONFORMANCE_HELP,
  type ConformanceCommand,
  type ConformanceRun,
  parseConformanceArgs,
} from "./conformance_options.ts";
import { inOwnPlace } from "./own_place.ts";

const INSIDE = fileURLToPath(
  new URL("./conformance_inside.ts", import.meta.url),
);

/** One after the other. @returns the worst exit code */
async function runFamilies(
  { families, run }: ConformanceCommand,
  signal: AbortSignal,
): Promise<number> {
  let worst = 0;
  for (const family of families) {
    const code = await runFamily({ ...run, family }, signal);
    signal.throwIfAborted();
    worst = Math.max(worst, code);
  }
  return worst;
}

/** Each has a place, and in it a cluster, of its own. */
function runFamily(run: ConformanceRun, signal: AbortSignal): Promise<number> {
  return inOwnPlace(() => [
    Deno.execPath(),
    ...["run", "--allow-all", "--no-check", "--no-prompt", "--quiet"],
    ...[INSIDE, JSON.stringify(run)],
  ], { signal });
}

if (import.meta.main) {
  const code = await runKubeCommand({
    name: "conformance",
    help: CONFORMANCE_HELP,
    parse: parseConformanceArgs,
    work: runFamilies,
  }, Deno.args);
  Deno.exit(code);
}
