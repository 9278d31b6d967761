/**
 * A container that runs, whatever runs it.
 *
 * @module
 */

import type { Child } from "../lab/exec.ts";
import { eventually } from "../lab/harness.ts";
import { CONTAINER_MARK, type Pod } from "./pod.ts";

/** Ended without ado by `await using`. */
export interface Container extends AsyncDisposable {
  readonly pod: Pod;
  /** What brings its output here; ends when it does. */
  readonly child: Child;
  /** As kubelet would. Gives the exit code. */
  stop(): Promise<number>;
}

/** Runs containers of the image. */
export interface Engine {
  readonly name: string;
  run(pod: Pod): Container;
}

/**
 * The command in a process namespace of its own: when its first process ends,
 * all that it started does, containers too.
 */
export function inOwnProcesses(command: readonly string[]): readonly string[] {
  return [
    ...["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"],
    ...["--propagation", "private", "--", ...command],
  ];
}

/** Of the agent, as this process sees it. */
export async function agentPid({ id }: Pod): Promise<number> {
  return await eventually(`container ${id} runs`, () => {
    for (const { name } of Deno.readDirSync("/proc")) {
      if (/^\d+$/.test(name) && hasMark(name, id)) {
        return Promise.resolve(Number(name));
      }
    }
    return Promise.resolve(undefined);
  });
}

function hasMark(pid: string, id: string): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/environ`)
      .split("\0").includes(`${CONTAINER_MARK}=${id}`);
  } catch {
    return false; // It has ended in between.
  }
}

/** Removes the group of a container that did not end by itself, from all hierarchies. */
export async function removeCgroups(name: string): Promise<void> {
  const root = "/sys/fs/cgroup";
  for (const dir of [".", ...subfolders(root)]) {
    const path = `${root}/${dir}/${name}`;
    await eventually(`${path} is gone`, () => {
      try {
        Deno.removeSync(path);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return Promise.resolve(true);
        return Promise.resolve(undefined); // Its processes have not ended yet.
      }
      return Promise.resolve(true);
    });
  }
}

function subfolders(path: string): readonly string[] {
  return [...Deno.readDirSync(path)]
    .filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
}
