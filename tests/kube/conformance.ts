/**
 * `deno task conformance`: Kubernetes' own tests of the network, all of them, on
 * a real cluster of each family.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { installMissing, missingPackages, type Wanted } from "../lab/needs.ts";
import { KUBE_NEEDS } from "../needs.ts";
import { untilInterrupted } from "../support/interrupted.ts";
import { needsText } from "../support/packages.ts";
import {
  CONFORMANCE_HELP,
  type ConformanceCommand,
  type ConformanceRun,
  parseConformanceArgs,
} from "./conformance_options.ts";
import { inOwnPlace } from "./own_place.ts";
import { buildTools, goIsMissing } from "./tools.ts";

const INSIDE = fileURLToPath(
  new URL("./conformance_inside.ts", import.meta.url),
);

const WANTED: Wanted = { lab: true, needs: KUBE_NEEDS };

const say = (text: string): void => console.log(`conformance: ${text}`);

/** @returns the exit code */
async function main(args: readonly string[]): Promise<number> {
  let command: ConformanceCommand | "help";
  try {
    command = parseConformanceArgs(args);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    console.error(`conformance: ${error.message}; --help lists the options`);
    return 2;
  }
  if (command === "help") {
    console.log(CONFORMANCE_HELP.trimEnd());
    return 0;
  }
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) {
    console.error(
      "conformance: namespaces need Linux and root: run it as root",
    );
    return 1;
  }
  const noGo = await goIsMissing();
  if (noGo !== undefined) {
    console.error(`conformance: Cannot build Kubernetes: install ${noGo}`);
    return 1;
  }
  const { install, families, run } = command;
  if (!install) return await listMissing();
  return await untilInterrupted("conformance", async (signal) => {
    await installMissing({ say, signal }, WANTED);
    await buildTools({ say, signal });
    let worst = 0;
    for (const family of families) {
      const code = await runFamily({ ...run, family }, signal);
      signal.throwIfAborted();
      worst = Math.max(worst, code);
    }
    return worst;
  });
}

async function listMissing(): Promise<number> {
  const missing = await missingPackages(WANTED);
  say(
    missing.length === 0
      ? "nothing is missing"
      : `these Debian packages are missing:\n${needsText(missing)}`,
  );
  return missing.length === 0 ? 0 : 1;
}

/** Each has a place, and in it a cluster, of its own. */
function runFamily(run: ConformanceRun, signal: AbortSignal): Promise<number> {
  return inOwnPlace(() => [
    Deno.execPath(),
    ...["run", "--allow-all", "--no-check", "--no-prompt", "--quiet"],
    ...[INSIDE, JSON.stringify(run)],
  ], { signal });
}

if (import.meta.main) Deno.exit(await main(Deno.args));
