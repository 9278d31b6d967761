/**
 * What the kernel says of a process, out of /proc (proc(5)).
 *
 * @module
 */

export interface ProcessFigures {
  readonly residentBytes: number;
  readonly virtualBytes: number;
  /** Seconds of processor time, in the kernel and out of it. */
  readonly cpuSeconds: number;
  readonly openFiles: number;
  readonly maxFiles: number;
  /** Seconds since 1970. */
  readonly startedSeconds: number;
}

export interface ProcFiles {
  /** Of /proc/self. */
  readonly stat: string;
  readonly status: string;
  readonly limits: string;
  /** /proc/stat, or its beginning. */
  readonly systemStat: string;
  readonly openFiles: number;
}

/** USER_HZ: a tick of what /proc counts in, on every machine. */
const TICKS_A_SECOND = 100;

/** Not a number where a file says nothing of it. */
export function processFigures(files: ProcFiles): ProcessFigures {
  // The name, in parentheses, may hold anything.
  const fields = files.stat.slice(files.stat.lastIndexOf(")") + 2).split(" ");
  const [user, system, start] = [11, 12, 19].map((at) => Number(fields[at]));
  const booted = numberIn(files.systemStat, /^btime (\d+)/m);
  const [, limit = ""] = /^Max open files +(\S+)/m.exec(files.limits) ?? [];
  return {
    residentBytes: numberIn(files.status, /^VmRSS:\s+(\d+) kB/m) * 1024,
    virtualBytes: numberIn(files.status, /^VmSize:\s+(\d+) kB/m) * 1024,
    cpuSeconds: ((user ?? NaN) + (system ?? NaN)) / TICKS_A_SECOND,
    openFiles: files.openFiles,
    maxFiles: limit === "unlimited" ? Infinity : Number(limit),
    startedSeconds: booted + (start ?? NaN) / TICKS_A_SECOND,
  };
}

/** How many descriptors a process has room for now: none that is open is beyond. */
export function descriptorTable(status: string): number {
  return numberIn(status, /^FDSize:\s+(\d+)/m);
}

function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? NaN);
}
