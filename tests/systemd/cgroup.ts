/**
 * A control group for each machine: systemd-nspawn names the groups that it
 * makes by no name of the machine's, so that two in one group would share them.
 *
 * @module
 */

import { must, run } from "../lab/exec.ts";
import { isThere } from "../support/packages.ts";

const MOUNT = "/sys/fs/cgroup";
const PREFIX = "clusternet-machine-";

/**
 * One in each hierarchy that systemd uses. Also removes those of machines that
 * are gone.
 *
 * @param pid lives as long as the machine
 * @returns the directories
 */
export async function makeCgroups(pid: number): Promise<readonly string[]> {
  const parents = await ownCgroups();
  for (const parent of parents) await sweep(parent);
  const made = parents.map((parent) => `${parent}/${PREFIX}${pid}`);
  await must(["mkdir", "-p", ...made]);
  return made;
}

/** Once their processes have ended, which takes the kernel a moment. */
export async function removeCgroups(
  directories: readonly string[],
): Promise<void> {
  for (let left = 50; left > 0; left--) {
    const { code } = await run([
      ...["find", ...directories, "-depth", "-type", "d"],
      ...["-exec", "rmdir", "{}", ";"],
    ]);
    const there = directories.filter(isThere);
    if (code === 0 && there.length === 0 || there.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Ours in the named and in the unified hierarchy, be they one, hybrid or legacy. */
async function ownCgroups(): Promise<readonly string[]> {
  const unified = isThere(`${MOUNT}/cgroup.procs`) ? MOUNT : `${MOUNT}/unified`;
  const text = await Deno.readTextFile("/proc/self/cgroup");
  return text.trim().split("\n").flatMap((line) => {
    const [, names = "", path = ""] = line.match(/^\d+:([^:]*):(.*)$/) ?? [];
    const at = path === "/" ? "" : path;
    if (names === "") return [`${unified}${at}`];
    return names === "name=systemd" ? [`${MOUNT}/systemd${at}`] : [];
  }).filter(isThere);
}

async function sweep(parent: string): Promise<void> {
  for (const { name } of Deno.readDirSync(parent)) {
    const pid = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : undefined;
    if (pid === undefined || isThere(`/proc/${pid}`)) continue;
    await removeCgroups([`${parent}/${name}`]);
  }
}
