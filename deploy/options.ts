/**
 * The command line of the tasks that make one file for one machine.
 *
 * @module
 */

import { resolve } from "node:path";
import { type Target, TARGETS } from "../ffi/build.ts";

export interface FileOptions {
  /** Default: this machine. */
  readonly target: Target;
  /** Absolute. */
  readonly output: string | undefined;
}

/** @throws {Error} the usage */
export function parseFileOptions(args: readonly string[]): FileOptions {
  const usage = new Error(
    `Cannot read the arguments "${args.join(" ")}": --target ${
      TARGETS.join("|")
    }, --output FILE`,
  );
  let target: Target | undefined = TARGETS.find((one) =>
    one === Deno.build.arch
  );
  let output: string | undefined;
  for (let at = 0; at < args.length; at += 2) {
    const value = args[at + 1];
    if (args[at] === "--target") target = TARGETS.find((one) => one === value);
    else if (args[at] === "--output" && value) output = value;
    else throw usage;
  }
  if (target === undefined) throw usage;
  if (output === undefined) return { target, output };
  return { target, output: resolve(callersFolder(), output) };
}

/** Where the task was typed: it runs in the project's folder, wherever that was. */
export function callersFolder(): string {
  return Deno.env.get("INIT_CWD") ?? Deno.cwd();
}
