/**
 * Compiles `ffi/launcher.c`: static, so that it runs on any Linux of its machine.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import type { Target } from "../ffi/build.ts";
import { foreignRoot } from "./foreign.ts";
import { libcVersion } from "./runtime_files.ts";

const SOURCE = fileURLToPath(new URL("../ffi/launcher.c", import.meta.url));

export const FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror"];

/** Linked in; each by the Debian package that has it. */
const LIBRARIES = [
  { name: "c", debian: "libc6-dev" },
  { name: "zstd", debian: "libzstd-dev" },
  { name: "nettle", debian: "nettle-dev" },
] as const;

export interface Compiler {
  readonly command: string;
  /** The package that has it. */
  readonly debian: string;
  /** Where headers and libraries are; `undefined`: on this machine. */
  readonly root?: string;
}

/** @throws {Error} with one sentence for people */
export async function compilerFor(target: Target): Promise<Compiler> {
  if (target === Deno.build.arch) return { command: "cc", debian: "gcc" };
  return {
    command: `${target}-linux-gnu-gcc`,
    debian: `gcc-${target.replace("_", "-")}-linux-gnu`,
    root: await foreignRoot(target, await libcVersion()),
  };
}

/** @throws {Error} one sentence that names the package that is missing */
export async function compileLauncher(
  compiler: Compiler,
  output: string,
): Promise<void> {
  if (compiler.root === undefined) await refuseWithout(compiler);
  const { success, text } = await run(compiler, [
    ...[...FLAGS, "-O2", "-static", "-s", "-Wl,--build-id=none"],
    ...["-o", output, SOURCE, "-lzstd", "-lnettle"],
  ]);
  if (!success) throw new Error(`Cannot compile the launcher: ${text}`);
}

async function refuseWithout(compiler: Compiler): Promise<void> {
  for (const { name, debian } of LIBRARIES) {
    const file = await run(compiler, [`-print-file-name=lib${name}.a`]);
    // A name that is not found is printed as it was given.
    if (file.text.startsWith("/")) continue;
    throw new Error(
      `Cannot compile the launcher: lib${name}.a is not here; install the Debian package ${debian}`,
    );
  }
}

async function run(
  { command, debian, root }: Compiler,
  args: readonly string[],
): Promise<{ readonly success: boolean; readonly text: string }> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, {
      args: [...root === undefined ? [] : [`--sysroot=${root}`], ...args],
      env: { LC_ALL: "C" },
    }).output();
    const text = new TextDecoder().decode(success ? stdout : stderr);
    return { success, text: text.trim() };
  } catch (cause) {
    throw new Error(
      `Cannot compile the launcher: there is no "${command}" here; install the Debian package ${debian}`,
      { cause },
    );
  }
}
