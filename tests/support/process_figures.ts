/**
 * What a process costs, as the kernel counts it (proc_pid_status(5),
 * proc_pid_stat(5)).
 *
 * @module
 */

export interface Figures {
  /** Bytes that are its own alone: no file behind them. */
  readonly anonymousBytes: number;
  /** Bytes in memory, those of the program's file included. */
  readonly residentBytes: number;
  /** Seconds of CPU since it began, of all its threads. */
  readonly cpuSeconds: number;
  /** Open file descriptors. */
  readonly files: number;
}

/** USER_HZ is 100 wherever Linux runs Deno. */
const TICKS_PER_SECOND = 100;

export function figuresOf(pid: number): Figures {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const kilobytes = (key: string): number =>
    Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]);
  // The second field is the program's name in parentheses, whatever is in it.
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    anonymousBytes: kilobytes("RssAnon") * 1024,
    residentBytes: kilobytes("VmRSS") * 1024,
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    files: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
  };
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(0)} MB`;
}
