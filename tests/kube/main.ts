/**
 * `deno task cluster`: a real cluster that stays until Ctrl-C.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { installMissing, missingPackages, type Wanted } from "../lab/needs.ts";
import { KUBE_NEEDS } from "../needs.ts";
import { untilInterrupted } from "../support/interrupted.ts";
import { needsText } from "../support/packages.ts";
import { listenOutside } from "./forward.ts";
import {
  CLUSTER_HELP,
  type ClusterCommand,
  parseClusterArgs,
} from "./options.ts";
import { inOwnPlace } from "./own_place.ts";
import { buildTools, goIsMissing } from "./tools.ts";

const INSIDE = fileURLToPath(new URL("./main_inside.ts", import.meta.url));

const WANTED: Wanted = { lab: true, needs: KUBE_NEEDS };

const say = (text: string): void => console.log(`cluster: ${text}`);

/** @returns the exit code */
async function main(args: readonly string[]): Promise<number> {
  let options: ClusterCommand | "help";
  try {
    options = parseClusterArgs(args);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    console.error(`cluster: ${error.message}; --help lists the options`);
    return 2;
  }
  if (options === "help") {
    console.log(CLUSTER_HELP.trimEnd());
    return 0;
  }
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) {
    console.error("cluster: namespaces need Linux and root: run it as root");
    return 1;
  }
  const noGo = await goIsMissing();
  if (noGo !== undefined) {
    console.error(`cluster: Cannot build Kubernetes: install ${noGo}`);
    return 1;
  }
  if (!options.install) return await listMissing();
  const { nodes, dualStack, proxy } = options;
  return await untilInterrupted("cluster", async (signal) => {
    await installMissing({ say, signal }, WANTED);
    await buildTools({ say, signal });
    return await stay({ nodes, dualStack, proxy }, signal);
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

/** What the program in the place is told. */
export interface Inside extends Omit<ClusterCommand, "install"> {
  /** Of the loopback, outside. */
  readonly port: number;
}

async function stay(
  options: Omit<Inside, "port">,
  signal: AbortSignal,
): Promise<number> {
  let outside: ReturnType<typeof listenOutside> | undefined;
  try {
    return await inOwnPlace((place) => {
      outside = listenOutside(`${place.folder}/api.sock`);
      const inside: Inside = { ...options, port: outside.port };
      return [
        Deno.execPath(),
        ...["run", "--allow-all", "--no-check", "--no-prompt", "--quiet"],
        ...[INSIDE, JSON.stringify(inside)],
      ];
    }, { signal });
  } finally {
    outside?.close();
    if (signal.aborted) say("everything is taken down");
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
