/**
 * Whose work is in the executables: npm packages in the bundled program, crates
 * in Deno, Debian packages in launcher and runtime. For licences and the bill of
 * materials.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildShim } from "../ffi/build.ts";
import { buildInfo, writeEntry } from "./entry.ts";
import { denoReason } from "./exec.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX, as its package.json has it. */
  readonly license: string;
  /** "sha512-…" of deno.lock. */
  readonly integrity: string;
  /** Names and versions, "ms@2.1.3", of those that it needs and that are in the bundle. */
  readonly needs: readonly string[];
  /** Where it lies in Deno's cache. */
  readonly folder: string;
}

export interface Crate {
  readonly name: string;
  readonly version: string;
}

export interface DebianPart {
  readonly name: string;
  /** What of it is taken. */
  readonly part: string;
  /** SPDX expression of that part; the whole text is in the package. */
  readonly license: string;
}

export interface DebianPackage extends DebianPart {
  readonly version: string;
}

/** Packages whose files `deno task build` takes, or links into the launcher. */
// deno-fmt-ignore
export const DEBIAN_PARTS: readonly DebianPart[] = [
  { name: "libc6", part: "the C library beside Deno", license: "LGPL-2.1-or-later" },
  { name: "libc6-dev", part: "the C library in the launcher", license: "LGPL-2.1-or-later" },
  { name: "libgcc-s1", part: "the compiler's library beside Deno", license: "GPL-3.0-or-later WITH GCC-exception-3.1" },
  { name: "libzstd-dev", part: "zstd in the launcher", license: "BSD-3-Clause OR GPL-2.0-only" },
  { name: "nettle-dev", part: "SHA-256 in the launcher", license: "LGPL-3.0-or-later OR GPL-2.0-or-later" },
];

/**
 * What the bundler took, by the source map, which names every file of which
 * something is left.
 *
 * @throws {Error} where a package is not in deno.lock
 */
export async function npmPackages(): Promise<readonly NpmPackage[]> {
  const { npmCache } = JSON.parse(await deno(["info", "--json"]));
  const lock = await readLock();
  const found = new Set<string>();
  for (const source of await bundledSources()) {
    // …/npm/REGISTRY/NAME/VERSION/FILE, with a scope before the name or none.
    const [, name, version] =
      /\/npm\/[^/]+\/((?:@[^/]+\/)?[^/]+)\/([^/]+)\//.exec(source) ?? [];
    if (name !== undefined) found.add(`${name}@${version}`);
  }
  return await Promise.all(
    [...found].sort().map(async (id) => {
      const at = id.lastIndexOf("@");
      const [name, version] = [id.slice(0, at), id.slice(at + 1)];
      const locked = lock.get(id);
      if (locked === undefined) {
        throw new Error(`Cannot list the packages: ${id} is not in deno.lock`);
      }
      const folder = await folderOf(npmCache, join(name, version));
      const { license } = JSON.parse(
        await Deno.readTextFile(join(folder, "package.json")),
      );
      const needs = locked.needs.filter((each) => found.has(each));
      const { integrity } = locked;
      return { name, version, license, integrity, needs, folder };
    }),
  );
}

/** Below one folder for each registry. */
async function folderOf(cache: string, path: string): Promise<string> {
  for await (const { name } of Deno.readDir(cache)) {
    const folder = join(cache, name, path);
    const stat = await Deno.stat(folder).catch(() => undefined);
    if (stat?.isDirectory) return folder;
  }
  throw new Error(`Cannot find ${path} in Deno's cache ${cache}`);
}

interface Locked {
  readonly integrity: string;
  readonly needs: readonly string[];
}

/** Packages of deno.lock by "name@version". */
async function readLock(): Promise<ReadonlyMap<string, Locked>> {
  const { npm }: {
    readonly npm: Readonly<
      Record<
        string,
        { readonly integrity: string; readonly dependencies?: string[] }
      >
    >;
  } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.lock")));
  // "a@1.0.0_b@2.0.0": the package a as it is with b for a peer.
  const plain = (id: string): string => id.replace(/^(@?[^@]+@[^_]+)_.*/, "$1");
  const ids = Object.keys(npm).map(plain);
  // "name@version" where there are several of that name, else "name".
  const idOf = (name: string): string =>
    plain(name).indexOf("@", 1) > 0
      ? plain(name)
      : ids.find((id) => id.slice(0, id.lastIndexOf("@")) === name) ?? name;
  return new Map(
    Object.entries(npm).map(([id, { integrity, dependencies = [] }]) => [
      plain(id),
      { integrity, needs: dependencies.map(idOf).sort() },
    ]),
  );
}

/** Files of which something is in the program. */
async function bundledSources(): Promise<readonly string[]> {
  await buildShim(undefined);
  const entry = await writeEntry(await buildInfo("bundled"));
  const folder = await Deno.makeTempDir({ prefix: "clusternet-sources-" });
  try {
    await deno([
      ...["bundle", "--quiet", "--frozen", "--platform", "deno"],
      ...["--minify", "--code-splitting", "--unstable-raw-imports"],
      ...["--sourcemap", "external", "--outdir", folder],
      fileURLToPath(entry),
    ]);
    const maps = [...Deno.readDirSync(folder)].filter(({ name }) =>
      name.endsWith(".map")
    );
    return maps.flatMap(({ name }) =>
      JSON.parse(Deno.readTextFileSync(join(folder, name))).sources
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * As far as Deno's executable tells: the crates that it names in messages of
 * its own, "…/registry/src/INDEX/NAME-VERSION/src/FILE".
 */
export function cratesIn(deno: Uint8Array): readonly Crate[] {
  const text = new TextDecoder("latin1").decode(deno);
  const path =
    /registry\/src\/[\w.-]+\/([A-Za-z]\w*(?:-\w*[A-Za-z]\w*)*)-(\d+\.\d+\.\d+[\w.+-]*)\//g;
  const found = new Map<string, Crate>();
  for (const [, name = "", version = ""] of text.matchAll(path)) {
    found.set(`${name} ${version}`, { name, version });
  }
  return [...found].sort(([a], [b]) => a < b ? -1 : 1).map(([, crate]) =>
    crate
  );
}

/** @throws {Error} one sentence that names the package that is missing */
export async function debianPackages(): Promise<readonly DebianPackage[]> {
  return await Promise.all(
    DEBIAN_PARTS.map(async (one) => {
      const { name } = one;
      const { success, stdout } = await new Deno.Command("dpkg-query", {
        args: ["--show", "--showformat=${Version}", name],
        stderr: "null",
      }).output().catch(() => ({ success: false, stdout: new Uint8Array() }));
      if (!success) {
        throw new Error(
          `Cannot list what is in the executables: the Debian package ${name} is not here`,
        );
      }
      return { ...one, version: new TextDecoder().decode(stdout).trim() };
    }),
  );
}

async function deno(args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  if (success) return text.decode(stdout);
  throw new Error(
    `Cannot list the packages: ${denoReason(text.decode(stderr))}`,
  );
}
