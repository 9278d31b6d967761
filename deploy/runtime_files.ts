/**
 * What a node need not have: Deno, and the C library that it was linked with.
 * Deno is npm's, the one that runs this; the libraries are Debian's.
 *
 * @module
 */

import { join } from "node:path";
import type { Target } from "../ffi/build.ts";

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
  const folder = `/lib/${target}-linux-gnu`;
  const packages = { libc: "libc6", gcc: "libgcc-s1" };
  const library = (name: string): string => join(folder, name);
  const files: RuntimeFile[] = [
    { path: "deno", mode: 0o755, source: Deno.execPath() },
    { path: LOADER, mode: 0o755, source: library(LOADERS[target]) },
    ...LIBRARIES.map((name) => ({
      path: name,
      mode: 0o644,
      source: library(name),
    })),
  ];
  return {
    files,
    versions: [
      ["deno", Deno.version.deno],
      ["glibc", await packageVersion(packages.libc)],
      ["libgcc", await packageVersion(packages.gcc)],
    ],
  };
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
