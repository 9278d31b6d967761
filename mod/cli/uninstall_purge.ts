/**
 * The second half of `clusternet uninstall`: what the agent left on this machine.
 * Found by the configuration that the service had; shown by name and command
 * before anything is asked; removed only when nobody runs the agent any more.
 *
 * @module
 */

import { configFile, parseArguments } from "../core/arguments.ts";
import type { Config } from "../core/config.ts";
import { parseEnvFile } from "../core/env_file.ts";
import { errorText, FatalError } from "../core/errors.ts";
import { isSubdomain } from "../core/option_values.ts";
import {
  planPurge,
  type PurgePlan,
  purgeStepText,
} from "../core/purge_plan.ts";
import { LOCK_DIRECTORY, lockLink } from "../sys/lock.ts";
import { findRemains, purgeStep } from "../sys/remains.ts";
import { loadShim, type Shim } from "../sys/shim.ts";
import { readYaml } from "../sys/yaml_file.ts";
import { ENV_FILE } from "./install_files.ts";
import type { NodeService } from "./uninstall_node.ts";

export interface Purge extends PurgePlan, NodeService {
  readonly shim: Shim;
}

/** @throws {FatalError} of exit code 1 */
export async function serviceHere(): Promise<NodeService> {
  const env = Object.fromEntries(parseEnvFile(readIfThere(ENV_FILE)));
  return { config: await serviceConfig(env), env };
}

/**
 * Looks, and changes nothing.
 *
 * @param gone installed files that will not be there any more
 * @throws {FatalError} of exit code 1
 */
export async function lookForRemains(gone: readonly string[]): Promise<Purge> {
  const service = await serviceHere();
  const shim = await loadShim();
  const remains = await findRemains({
    shim,
    config: service.config,
    runtime: unpackedRuntime(),
    gone,
  });
  return { ...planPurge(remains), ...service, shim };
}

/** @throws {FatalError} while an agent runs */
export function refuseRunning({ config, shim }: Purge): Disposable | undefined {
  const name = config.interface;
  try {
    Deno.lstatSync(`${LOCK_DIRECTORY}/${name}.lock`);
  } catch {
    return undefined; // an agent has it from its start on
  }
  return lockLink(name, { shim });
}

/** Goes on after a failure, so that as little as possible is left. @returns did all work? */
export async function purgeAll({ steps, shim }: Purge): Promise<boolean> {
  let good = true;
  for (const step of steps) {
    try {
      await purgeStep(step, shim);
      console.log(purgeStepText(step));
    } catch (error) {
      console.error(`clusternet: ${sentence(error)}`);
      good = false;
    }
  }
  return good;
}

/** The outermost says it all. */
function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** As the unit starts the agent. */
async function serviceConfig(
  env: Readonly<Record<string, string>>,
): Promise<Config> {
  const host = Deno.hostname();
  const hostName = isSubdomain(host.toLowerCase()) ? host : "node";
  try {
    const path = configFile([], env);
    if (path === undefined) return parseArguments([], env, { hostName }).config;
    const content = await readYaml(path, "the configuration");
    const file = { path, content };
    return parseArguments([], env, { hostName, file }).config;
  } catch (cause) {
    throw new FatalError(
      `Cannot tell what the agent left here: ${
        errorText(cause)
      }; mend ${ENV_FILE}, or remove it if the agent had its defaults`,
      1,
      { cause },
    );
  }
}

/** `undefined`: none, or one that lies beside its executable and goes with that. */
function unpackedRuntime(): string | undefined {
  const runtime = Deno.env.get("CLUSTERNET_RUNTIME");
  const beside = `${Deno.env.get("CLUSTERNET_EXECUTABLE")}.runtime`;
  return runtime === "" || runtime === beside ? undefined : runtime;
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return "";
    throw new FatalError(`Cannot read ${path}`, 1, { cause });
  }
}
