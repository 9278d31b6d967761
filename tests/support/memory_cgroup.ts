/**
 * A control group with a limit of memory, as a container has one: by the unified
 * hierarchy where that counts memory, else by the old one.
 *
 * @module
 */

const MOUNT = "/sys/fs/cgroup";

/** Files of the two versions: Documentation/admin-guide/cgroup-v{1,2}. */
const VERSIONS = [
  {
    folder: MOUNT,
    there: `${MOUNT}/cgroup.controllers`,
    limit: "memory.max",
    usage: "memory.current",
    events: "memory.events",
    kills: /^oom_kill (\d+)$/m,
  },
  {
    folder: `${MOUNT}/memory`,
    there: `${MOUNT}/memory/memory.limit_in_bytes`,
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    events: "memory.oom_control",
    kills: /^oom_kill (\d+)$/m,
  },
] as const;

export interface MemoryCgroup extends Disposable {
  /** Writing a process's number into it moves the process. */
  readonly procs: string;
  /** Bytes, those of files that it has read included. */
  usage(): number;
  /** Processes that the kernel has ended for want of memory. */
  kills(): number;
}

/** `undefined`: this machine, or this user, has none. */
export function memoryCgroup(
  name: string,
  limitBytes: number,
): MemoryCgroup | undefined {
  for (const version of VERSIONS) {
    const path = `${version.folder}/${name}-${Deno.pid}`;
    try {
      const there = Deno.readTextFileSync(version.there);
      if (version.folder === MOUNT && !there.includes("memory")) continue;
      Deno.mkdirSync(path);
      Deno.writeTextFileSync(`${path}/${version.limit}`, String(limitBytes));
    } catch {
      continue;
    }
    const read = (file: string): string =>
      Deno.readTextFileSync(`${path}/${file}`);
    return {
      procs: `${path}/cgroup.procs`,
      usage: () => Number(read(version.usage)),
      kills: () => Number(version.kills.exec(read(version.events))?.[1] ?? 0),
      [Symbol.dispose]: () => Deno.removeSync(path),
    };
  }
  return undefined;
}
