/**
 * What a node need not have: Deno, and the C library that it was linked with.
 * Deno is npm's, the one that runs this; the libraries are Debian's.
 *
 * @module
 */

import { join } from "node:path";
import type { Target } from "../ffi/build.ts";
import { foreignDeno, foreignRoot, foreignVersion } from "./foreign.ts";

export interface RuntimeFile {
  /** In the runtime's directory. */
  readonly path: string;
  readonly mode: number;
  readonly source: string;
}

export interface RuntimeParts {
  readonly files: readonly RuntimeFile[];
  /** Names and versions of what is in there, as the manifest has them. */
  readonly versions: readonly (readonly [name: string, version: string])[];
}

/** Of Deno, as `readelf -d` lists them. */
const LIBRARIES = [
  "libc.so.6",
  "libdl.so.2",
  "libgcc_s.so.1",
  "libm.so.6",
  "libpthread.so.0",
  "librt.so.1",
] as const;

/**
 * The loader is what runs, so that it is what `ps`, `top` and the kernel call
 * the process by.
 */
export const LOADER = "clusternet";

const LOADERS: Readonly<Record<Target, string>> = {
  x86_64: "ld-linux-x86-64.so.2",
  aarch64: "ld-linux-aarch64.so.1",
};

/** @throws {Error} one sentence that names the package that is missing */
export async function runtimeParts(target: Target): Promise<RuntimeParts> {
  const own = target === Deno.build.arch;
  const root = own ? "/" : await foreignRoot(target, await libcVersion());
  const version = (name: string): Promise<string> =>
    own ? packageVersion(name) : foreignVersion(root, name);
  const library = (name: string): string =>
    join(root, `lib/${target}-linux-gnu`, name);
  const deno = own
    ? { file: Deno.execPath(), version: Deno.version.deno }
    : await foreignDeno(target);
  return {
    files: [
      { path: "deno", mode: 0o755, source: deno.file },
      { path: LOADER, mode: 0o755, source: library(LOADERS[target]) },
      ...LIBRARIES.map((name) => ({
        path: name,
        mode: 0o644,
        source: library(name),
      })),
    ],
    versions: [
      ["deno", deno.version],
      ["glibc", await version("libc6")],
      ["libgcc", await version("libgcc-s1")],
    ],
  };
}

/** Of this machine. */
export async function libcVersion(): Promise<string> {
  return await packageVersion("libc6");
}

async function packageVersion(name: string): Promise<string> {
  try {
    const { success, stdout } = await new Deno.Command("dpkg-query", {
      args: ["--show", "--showformat=${Version}", name],
      stderr: "null",
    }).output();
    if (success) return new TextDecoder().decode(stdout).trim();
  } catch {
    // Not a Debian, or no dpkg.
  }
  throw new Error(
    `Cannot build the runtime: the Debian package ${name} is not here`,
  );
}
