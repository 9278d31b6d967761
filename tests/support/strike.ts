/**
 * Runs a program under strace, which sees the calls on some paths alone, and
 * strikes at one of them: kills the program, or makes the call fail.
 *
 * @module
 */

/** One system call of a run. */
export interface Call {
  readonly name: string;
  /** The how-manieth of that name it is, from 1. */
  readonly count: number;
}

export interface Strike extends Call {
  /** As strace's `--inject` has it; "signal=KILL" by default. */
  readonly fault?: string;
}

export interface Outcome {
  readonly signal: Deno.Signal | null;
  /** Standard output. */
  readonly text: string;
  /** Those on the paths, in order. Only the calls of one thread can be counted. */
  readonly calls: readonly Call[];
}

export interface Program {
  /** A script of Deno's and its arguments. */
  readonly command: readonly string[];
  /** The paths whose calls count; none: those of `names`, whatever they are about. */
  readonly paths: readonly string[];
  /** More than this process has. */
  readonly env?: Readonly<Record<string, string>>;
  readonly names?: readonly string[];
}

export async function runStruck(
  program: Program,
  strike?: Strike,
): Promise<Outcome> {
  const trace = await Deno.makeTempFile({ prefix: "clusternet-trace-" });
  const { name, count, fault = "signal=KILL" } = strike ?? {};
  const inject = name === undefined
    ? []
    : [`--inject=${name}:${fault}:when=${count}`];
  try {
    const { stdout, signal } = await new Deno.Command("strace", {
      args: [
        ...["-f", "-qq", "-o", trace],
        ...program.paths.flatMap((path) => ["-P", path]),
        ...program.names === undefined
          ? []
          : [`--trace=${program.names.join(",")}`],
        ...inject,
        ...[Deno.execPath(), "run", "-A", "--no-check", ...program.command],
      ],
      env: { ...program.env },
      stdin: "null",
      stderr: "null",
    }).output();
    return {
      // strace dies of what its tracee died of.
      signal,
      text: new TextDecoder().decode(stdout),
      calls: callsOf(await Deno.readTextFile(trace)),
    };
  } finally {
    await Deno.remove(trace);
  }
}

function callsOf(trace: string): readonly Call[] {
  const counts = new Map<string, number>();
  return [...trace.matchAll(/^\d+ +([a-z0-9_]+)\(/gm)].map(([, name = ""]) => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return { name, count };
  });
}
