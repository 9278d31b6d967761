/**
 * Programs that the builds call.
 *
 * @module
 */

import { stripVTControlCharacters } from "node:util";

/**
 * Runs a program to its end and gives what it prints on standard output.
 *
 * @throws {Error} one sentence: which program, and what it says; where it is not
 *   there, the Debian package that has it
 */
export async function must(
  command: readonly string[],
  options: {
    readonly cwd?: string;
    readonly env?: Readonly<Record<string, string>>;
    /** Debian's package, where the program's name does not say it. */
    readonly debian?: string;
  } = {},
): Promise<string> {
  const [program = "", ...args] = command;
  const { cwd, env, debian = program } = options;
  const child = new Deno.Command(program, {
    args,
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...env, LC_ALL: "C" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  let output: Deno.CommandOutput;
  try {
    output = await child.output();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Error(
      `Cannot run ${program}: it is not there (Debian package ${debian})`,
      { cause },
    );
  }
  const text = new TextDecoder();
  if (output.success) return text.decode(output.stdout);
  const said = text.decode(output.stderr).trim().slice(-800) || "no message";
  throw new Error(`Cannot run "${program} ${args[0]}": ${said}`);
}

/**
 * What Deno says when it fails, in one line: what it could not do, and the last
 * of the causes.
 */
export function denoReason(stderr: string): string {
  const [told = ""] = stripVTControlCharacters(stderr).split(
    "Stack backtrace:",
  );
  const [first = "", causes] = told.trim().split("\n\nCaused by:");
  const what = first.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ");
  const last = causes?.trim().split("\n").at(-1) ?? "";
  const why = last.trim().replace(/^\d+: /, "");
  return why === "" ? what || "no message" : `${what}: ${why}`;
}
