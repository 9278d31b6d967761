/**
 * Programs that the lab runs: short ones to their end, long ones as a `Child`
 * whose lines are kept. Invariant: a child dies with the process that started
 * it (PR_SET_PDEATHSIG), however that one ends, so nothing outlives the lab.
 *
 * @module
 */

import { eachLine } from "../support/lines.ts";
import { findCommand } from "../support/packages.ts";

/** The sbin directories too: `su` without a dash leaves root without them. */
const PATH = [
  ...new Set([
    ...(Deno.env.get("PATH") ?? "").split(":"),
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
  ]),
].filter((folder) => folder !== "").join(":");

/** A shell without `ip` and `ping` of its own, which busybox's would take instead of the real ones. */
export const SHELL = findCommand("dash") ?? findCommand("bash") ?? "sh";

export interface RunOptions {
  /** Text for standard input; none: empty. */
  readonly input?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** English, no colour, and no Deno that asks whether there is a newer one. */
const QUIET = { LC_ALL: "C", NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };

/** The environment for everything that the lab starts: nothing of a cluster that the caller may use. */
export function labEnv(
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(Deno.env.toObject())) {
    if (
      /^(KUBE|CLUSTERNET_|CNI_|OTEL_|NODE_NAME$|NOTIFY_SOCKET$)/.test(name)
    ) {
      continue;
    }
    env[name] = value;
  }
  return { ...env, ...QUIET, PATH, ...more };
}

/** Runs a program to its end and collects what it prints. Rejects only where it cannot be started. */
export async function run(
  command: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program, {
    args,
    clearEnv: true,
    env: labEnv(options.env),
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  if (options.input !== undefined) {
    const writer = child.stdin.getWriter();
    try {
      await writer.write(new TextEncoder().encode(options.input));
      await writer.close();
    } catch {
      // It ended before it had read everything: its exit code says more.
    }
  }
  const { code, stdout, stderr } = await output;
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/**
 * As `run`, and gives standard output.
 * @throws {Error} with what the program said, when it does not exit with 0
 */
export async function must(
  command: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(command, options);
  if (code === 0) return stdout;
  const said = (stderr.trim() || stdout.trim() || "no message").slice(0, 800);
  throw new Error(
    `Cannot run "${command.join(" ")}": exit code ${code}: ${said}`,
  );
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Called for each line of both outputs. Must not throw. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Called for each piece of standard output instead of splitting it into lines. */
  readonly onBytes?: ((bytes: Uint8Array) => void) | undefined;
}

/** Lines kept of each child; older ones are forgotten. */
const LINES_KEPT = 5_000;

/** A long-running program. */
export class Child {
  readonly name: string;
  readonly pid: number;
  /** What it printed, oldest first. */
  readonly lines: string[] = [];
  /** Resolves with the exit code once it has ended and all its output is read; -N: signal N. */
  readonly ended: Promise<number>;
  #running = true;
  readonly #process: Deno.ChildProcess;
  readonly #watchers = new Set<() => void>();

  constructor(
    name: string,
    command: readonly string[],
    options: ChildOptions = {},
  ) {
    const [program = "", ...args] = dieWithUs(command);
    this.name = name;
    this.#process = new Deno.Command(program, {
      args,
      clearEnv: true,
      env: labEnv(options.env),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#process.pid;
    this.ended = this.#collect(options);
  }

  get running(): boolean {
    return this.#running;
  }

  /** Sends a signal; no harm where it has ended. */
  signal(signal: Deno.Signal): void {
    try {
      if (this.#running) this.#process.kill(signal);
    } catch {
      // Ended in between.
    }
  }

  /** Sends a signal, waits for the end, insists with SIGKILL after `patienceMs`. Gives the exit code. */
  async stop(
    signal: Deno.Signal = "SIGTERM",
    patienceMs = 5_000,
  ): Promise<number> {
    this.signal(signal);
    const timer = setTimeout(() => this.signal("SIGKILL"), patienceMs);
    try {
      return await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Waits for a line, also one that was printed before; `from`: index of the first to look at.
   * @throws {Error} when it ends without, or after `withinMs`
   */
  async line(
    pattern: RegExp,
    options: { readonly withinMs?: number; readonly from?: number } = {},
  ): Promise<string> {
    const { withinMs = 10_000, from = 0 } = options;
    const deadline = performance.now() + withinMs;
    let at = from;
    while (true) {
      for (; at < this.lines.length; at++) {
        const line = this.lines[at];
        if (line !== undefined && pattern.test(line)) return line;
      }
      const left = deadline - performance.now();
      if (!this.#running || left <= 0) {
        const why = this.#running ? `not within ${withinMs} ms` : "it ended";
        throw new Error(
          `Cannot find ${pattern} in the output of ${this.name}: ${why}; last: ${
            this.lines.slice(-3).join(" | ")
          }`,
        );
      }
      await this.#change(left);
    }
  }

  async #change(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    this.#watchers.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#watchers.delete(resolve);
  }

  #ring(): void {
    for (const resolve of this.#watchers) resolve();
  }

  async #collect(options: ChildOptions): Promise<number> {
    const keep = (line: string): void => {
      this.lines.push(line);
      if (this.lines.length > LINES_KEPT) this.lines.shift();
      options.onLine?.(line);
      this.#ring();
    };
    const out = options.onBytes === undefined
      ? eachLine(this.#process.stdout, keep)
      : eachPiece(this.#process.stdout, options.onBytes);
    const [status] = await Promise.all([
      this.#process.status,
      out,
      eachLine(this.#process.stderr, keep),
    ]);
    this.#running = false;
    this.#ring();
    return status.signal === null ? status.code : 128 - status.code;
  }
}

/** The same program, killed by the kernel when the thread that started it ends. */
export function dieWithUs(command: readonly string[]): readonly string[] {
  return ["setpriv", "--pdeathsig", "KILL", "--", ...command];
}

async function eachPiece(
  stream: ReadableStream<Uint8Array>,
  take: (bytes: Uint8Array) => void,
): Promise<void> {
  for await (const bytes of stream) take(bytes);
}

/** Runs `work` for each item, at most `limit` at a time; results in the order of the items. */
export async function inTurns<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  limit: number,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++;
      const item = items[at];
      if (item !== undefined) results[at] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: limit }, lane));
  return results;
}
