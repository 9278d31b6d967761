/**
 * The processes that a diagnosis wants to know of, in our network namespace:
 * agents, and Kubernetes' own programs.
 *
 * @module
 */

import { basename } from "node:path";
import { ERRNO, KernelError } from "../core/errors.ts";
import type { Processes, ProcessFacts } from "../core/machine_facts.ts";
import { LOCK_DIRECTORY } from "./lock.ts";
import { listProc, readProc, statProc } from "./proc_file.ts";
import type { Shim } from "./shim.ts";

export interface FoundProcesses extends Processes {
  /**
   * Why others may be there that were not found: a container sees its own alone,
   * or they may not be looked into; `null`: all were seen.
   */
  readonly unseen: "contained" | "forbidden" | null;
}

export function findProcesses(link: string, shim: Shim): FoundProcesses {
  const pids = new Set(allPids(shim));
  const holder = Number.parseInt(
    readProc(`${LOCK_DIRECTORY}/${link}.lock`, shim) ?? "",
    10,
  );
  if (holder > 0) pids.add(holder);
  const wanted = [...pids].flatMap((pid) => {
    const args = argsOf(pid, shim) ?? [];
    const counts = isAgent(args) || PROGRAMS.includes(basename(args[0] ?? ""));
    return counts ? [{ pid, args, network: networkOf(pid, shim) }] : [];
  });
  // All of them use the machine's own network, if it is that of this machine.
  const here = networkOf("self", shim);
  const all = wanted.filter(({ network }) => network === here)
    .map(({ pid, args }) => ({ pid, args }));
  const named = (name: string): ProcessFacts | null =>
    all.find(({ args: [program = ""] }) => basename(program) === name) ?? null;
  return {
    agents: all.filter(({ args }) =>
      isAgent(args) && linkOf(args, link) === link
    ),
    kubeProxy: named("kube-proxy"),
    apiServer: named("kube-apiserver"),
    controllerManager: named("kube-controller-manager"),
    unseen: seesOwnContainer(shim)
      ? "contained"
      : wanted.some(({ network }) => network === "hidden")
      ? "forbidden"
      : null,
  };
}

/** Of Kubernetes. */
const PROGRAMS: readonly string[] = [
  ...["kube-proxy", "kube-apiserver", "kube-controller-manager"],
];

export function allPids(shim: Shim): readonly number[] {
  return (listProc("/proc", shim) ?? []).map(Number).filter((pid) => pid > 0);
}

/** The first process is of a pod where it is the agent itself, or what holds a pod's namespaces. */
function seesOwnContainer(shim: Shim): boolean {
  const first = argsOf(1, shim) ?? [];
  return isAgent(first) || basename(first[0] ?? "") === "pause";
}

/** Inode of its network namespace; `undefined`: it has ended. */
function networkOf(
  pid: number | "self",
  shim: Shim,
): bigint | "hidden" | undefined {
  try {
    return statProc(`/proc/${pid}/ns/net`, shim).ino;
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    // Of one that has ended meanwhile the kernel says EACCES too (fs/proc/namespaces.c).
    const there = error.errno === ERRNO.EACCES && pid !== "self" &&
      argsOf(pid, shim) !== undefined;
    return there ? "hidden" : undefined;
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
export function agentFlags({ args }: ProcessFacts): readonly string[] {
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
