/**
 * The processes that a diagnosis wants to know of, in our network namespace:
 * agents, and Kubernetes' own programs.
 *
 * @module
 */

import { basename } from "node:path";
import { errorText } from "../core/errors.ts";
import { mustOutput } from "./command_output.ts";
import { LOCK_DIRECTORY } from "./lock.ts";
import { inodeOf, readProc } from "./proc_file.ts";
import type { Shim } from "./shim.ts";

export interface FoundProcess {
  readonly pid: number;
  readonly args: readonly string[];
}

export interface FoundProcesses {
  readonly agents: readonly FoundProcess[];
  readonly kubeProxy: FoundProcess | null;
  readonly apiServer: FoundProcess | null;
  readonly controllerManager: FoundProcess | null;
  /** Why none was found but the agent that holds the link's lock; `null`: all were seen. */
  readonly unseen: string | null;
}

/** Milliseconds for ps(1). */
const PS_MS = 3_000;

export async function findProcesses(
  link: string,
  shim: Shim,
): Promise<FoundProcesses> {
  const { pids, unseen } = await allPids();
  const holder = Number.parseInt(
    readProc(`${LOCK_DIRECTORY}/${link}.lock`, shim) ?? "",
    10,
  );
  if (holder > 0) pids.add(holder);
  // All of them use the machine's own network, if it is that of this machine.
  const here = inodeOf("/proc/self/ns/net", shim);
  const all = [...pids].flatMap((pid) => {
    const args = argsOf(pid, shim);
    const isHere = args && inodeOf(`/proc/${pid}/ns/net`, shim) === here;
    return args && isHere ? [{ pid, args }] : [];
  });
  const named = (name: string): FoundProcess | null =>
    all.find(({ args: [program = ""] }) => basename(program) === name) ?? null;
  return {
    agents: all.filter(({ args }) =>
      isAgent(args) && linkOf(args, link) === link
    ),
    kubeProxy: named("kube-proxy"),
    apiServer: named("kube-apiserver"),
    controllerManager: named("kube-controller-manager"),
    unseen,
  };
}

/** None where there is no ps(1): the lock names the one agent that counts. */
async function allPids(): Promise<
  { readonly pids: Set<number>; readonly unseen: string | null }
> {
  try {
    const said = await mustOutput(["ps", "-e", "-o", "pid="], {
      timeoutMs: PS_MS,
    });
    const pids = said.split("\n").map(Number).filter((pid) => pid > 0);
    return { pids: new Set(pids), unseen: null };
  } catch (error) {
    return { pids: new Set(), unseen: errorText(error) };
  }
}

function argsOf(pid: number, shim: Shim): readonly string[] | undefined {
  const text = readProc(`/proc/${pid}/cmdline`, shim);
  if (text === undefined || text === "") return undefined;
  return text.replace(/\0$/, "").split("\0");
}

/** Main modules: of the sources, of what `deno bundle` and `deno compile` make. */
const MAIN_MODULE = /(^|\/)(main\.[jt]s|clusternet\.js|program\.js)$/;

/**
 * What a process of ours was told, from the command on: behind the main module,
 * where the runtime has arguments of its own. `undefined`: it is none of ours,
 * or a shell that starts one.
 */
export function ownArguments(
  args: readonly string[],
): readonly string[] | undefined {
  const program = basename(args[0] ?? "");
  const ours = program === "clusternet";
  if (!ours && !program.startsWith("deno")) return undefined;
  const at = args.findIndex((arg) => MAIN_MODULE.test(arg));
  if (at > 0) return args.slice(at + 1);
  return ours ? args.slice(1) : undefined;
}

function isAgent(args: readonly string[]): boolean {
  return ownArguments(args)?.[0] === "run";
}

function linkOf(args: readonly string[], fallback: string): string {
  const at = args.findIndex((arg) => /^--interface(=|$)/.test(arg));
  if (at < 0) return fallback;
  return args[at]?.split("=")[1] ?? args[at + 1] ?? fallback;
}

/** Flags of the agent: what follows `run`. */
export function agentFlags({ args }: FoundProcess): readonly string[] {
  return ownArguments(args)?.slice(1) ?? [];
}

/** `undefined`: not ours to read. */
export function environmentOf(
  pid: number,
  shim: Shim,
): Readonly<Record<string, string>> | undefined {
  const text = readProc(`/proc/${pid}/environ`, shim);
  if (text === undefined) return undefined;
  const pairs = text.split("\0").filter((one) => one.includes("="));
  return Object.fromEntries(
    pairs.map((one) => [
      one.slice(0, one.indexOf("=")),
      one.slice(one.indexOf("=") + 1),
    ]),
  );
}
