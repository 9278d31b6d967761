/**
 * What the commands around a cluster have in common: their options, what they
 * need of the machine, and the programs of a cluster, before the work begins.
 *
 * @module
 */

import { installMissing, missingPackages, type Wanted } from "../lab/needs.ts";
import { KUBE_NEEDS } from "../needs.ts";
import { untilInterrupted } from "../support/interrupted.ts";
import { needsText } from "../support/packages.ts";
import { buildTools, goIsMissing } from "./tools.ts";

const WANTED: Wanted = { lab: true, needs: KUBE_NEEDS };

export interface KubeCommand<Options extends { readonly install: boolean }> {
  /** Before each line that it says. */
  readonly name: string;
  readonly help: string;
  /** @throws {SyntaxError} one sentence */
  parse(args: readonly string[]): Options | "help";
  /** With all that is needed in place. @returns an exit code */
  work(options: Options, signal: AbortSignal): Promise<number>;
}

/** @returns the exit code */
export async function runKubeCommand<
  Options extends { readonly install: boolean },
>(
  command: KubeCommand<Options>,
  args: readonly string[],
): Promise<number> {
  const { name } = command;
  let options: Options | "help";
  try {
    options = command.parse(args);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    console.error(`${name}: ${error.message}; --help lists the options`);
    return 2;
  }
  if (options === "help") {
    console.log(command.help.trimEnd());
    return 0;
  }
  const why = await whyNot();
  if (why !== undefined) {
    console.error(`${name}: ${why}`);
    return 1;
  }
  return await prepareAndRun(command, options);
}

/** A sentence; `undefined`: this machine will do. */
async function whyNot(): Promise<string | undefined> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) {
    return "namespaces need Linux and root: run it as root";
  }
  const noGo = await goIsMissing();
  return noGo === undefined
    ? undefined
    : `Cannot build Kubernetes: install ${noGo}`;
}

async function prepareAndRun<Options extends { readonly install: boolean }>(
  { name, work }: KubeCommand<Options>,
  options: Options,
): Promise<number> {
  const say = (text: string): void => console.log(`${name}: ${text}`);
  if (!options.install) return listMissing(say, await missingPackages(WANTED));
  return await untilInterrupted(name, async (signal) => {
    await installMissing({ say, signal }, WANTED);
    await buildTools({ say, signal });
    return await work(options, signal);
  });
}

function listMissing(
  say: (text: string) => void,
  missing: Awaited<ReturnType<typeof missingPackages>>,
): number {
  say(
    missing.length === 0
      ? "nothing is missing"
      : `these Debian packages are missing:\n${needsText(missing)}`,
  );
  return missing.length === 0 ? 0 : 1;
}
