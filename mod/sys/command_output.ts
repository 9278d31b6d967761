/**
 * What a command of this machine prints, with a deadline: for looking only.
 *
 * @module
 */

export interface CommandOutput {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Milliseconds; then it is killed. */
  readonly timeoutMs: number;
}

/**
 * @throws {Error} one sentence: there is no such command, or it does not end
 */
export async function commandOutput(
  line: readonly string[],
  { timeoutMs }: CommandOptions,
): Promise<CommandOutput> {
  const [program = "", ...args] = line;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeoutMs);
  try {
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args,
      env: { LC_ALL: "C", NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: late.signal,
    }).output();
    if (late.signal.aborted) {
      throw new Error(
        `\`${line.join(" ")}\` does not end within ${timeoutMs} ms`,
      );
    }
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      // Without the cause, which says the same.
      throw new Error(`there is no ${program} on this machine`);
    }
    throw cause;
  } finally {
    clearTimeout(timer);
  }
}

/** What it prints, where it ends well. @throws {Error} one sentence */
export async function mustOutput(
  line: readonly string[],
  options: CommandOptions,
): Promise<string> {
  const { code, stdout, stderr } = await commandOutput(line, options);
  if (code === 0) return stdout;
  const [first = ""] = stderr.trim().split("\n");
  throw new Error(`\`${line.join(" ")}\` ends with ${code}: ${first}`);
}
