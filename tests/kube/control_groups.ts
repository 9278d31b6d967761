/**
 * Control groups of a node's own, in whichever versions the machine has them: of
 * version 1 a hierarchy for each controller, of version 2 the one. Invariant: all
 * that a node and its pods make lies below the one group that the node is given,
 * and can be removed with it; no kubelet sees the pods of another.
 *
 * @module
 */

import { join } from "node:path";
import { SHELL } from "../lab/exec.ts";

const CGROUPS = "/sys/fs/cgroup";

/** Shell: the head of a loop over the hierarchies. */
const EACH_ROOT = `
for root in ${CGROUPS} ${CGROUPS}/*; do
  [ -f $root/cgroup.procs ] && mountpoint -q $root || continue`;

/**
 * Shell lines for the node's mounts: that group, made where it is not there yet,
 * is the root of all that is seen.
 */
export function groupSetup(group: string): string {
  return `${EACH_ROOT}
  at=$root
  for part in ${group.replaceAll("/", " ")}; do
    if [ -f $at/cgroup.subtree_control ]; then
      for name in $(cat $at/cgroup.controllers); do
        echo +$name > $at/cgroup.subtree_control
      done
    fi
    mkdir -p $at/$part
    # Of version 1: no process can be in it while these are empty.
    for file in cpuset.cpus cpuset.mems; do
      if [ $root = ${CGROUPS}/cpuset ]; then cat $at/$file > $at/$part/$file; fi
    done
    at=$at/$part
  done
  mount --bind $at $root
done
`;
}

/**
 * The command, to which the node's group is the root as well where groups are told
 * by name: cgroup_namespaces(7). In version 2 a group that has others in it can
 * have no process of its own, so it goes into one of them.
 */
export function inGroup(command: readonly string[]): readonly string[] {
  const enter = `${EACH_ROOT}
  echo $$ > $root/cgroup.procs
done
exec unshare --cgroup -- "$@"`;
  const stepAside = `${EACH_ROOT}
  [ -f $root/cgroup.subtree_control ] || continue
  mkdir -p $root/services
  echo $$ > $root/services/cgroup.procs
done
exec "$@"`;
  return [
    ...[SHELL, "-euc", enter, SHELL],
    ...[SHELL, "-euc", stepAside, SHELL, ...command],
  ];
}

/** Milliseconds that the kernel may take to bury everybody. */
const BURIAL_MS = 10_000;

/** With all below it, in each hierarchy; its processes have been killed. */
export async function removeControlGroups(group: string): Promise<void> {
  const deadline = performance.now() + BURIAL_MS;
  for (const hierarchy of [CGROUPS, ...subfolders(CGROUPS)]) {
    while (!removeTree(join(hierarchy, group))) {
      if (performance.now() > deadline) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function subfolders(path: string): readonly string[] {
  try {
    return [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => join(path, name));
  } catch {
    return [];
  }
}

/** Folders alone: the files in a control group go with it. @returns is it gone? */
function removeTree(path: string): boolean {
  for (const folder of subfolders(path)) removeTree(folder);
  try {
    Deno.removeSync(path);
    return true;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}
