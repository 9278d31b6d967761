/**
 * The program as JavaScript without a name of this checkout in it: bundled,
 * minified, in pieces, of which a start reads only those that it needs.
 *
 * @module
 */

import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildShim, type Target } from "../ffi/build.ts";
import type { BuildKind } from "../mod/core/version.ts";
import { buildInfo, writeEntry } from "./entry.ts";
import { denoReason } from "./exec.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const ENCODER = new TextEncoder();

/** What the first piece is called. */
export const PROGRAM = "clusternet.js";

/**
 * Names of a piece as `import()` has them. Deno reads whatever a module names,
 * at each start, even where that is never called for. It does not look into a
 * call.
 */
const IMPORT = /\bimport\(("\.\/[\w-]+\.js")\)/g;

export type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

export interface BundleOptions {
  readonly kind: BuildKind;
  /** Whose shim is in it. */
  readonly target: Target;
}

/**
 * As modules.
 *
 * @returns the files by name, the first piece is `PROGRAM`
 * @throws {Error} with one sentence for people
 */
export async function bundleProgram(
  { kind, target }: BundleOptions,
): Promise<Files> {
  const importMap = await importMapFor(target);
  const entry = await writeEntry(await buildInfo(kind));
  const flags = ["--code-splitting", "--import-map", importMap];
  return await bundle(entry, flags, async (folder) => {
    const files = new Map<string, Uint8Array<ArrayBuffer>>();
    const first = `${basename(entry.pathname, ".ts")}.js`;
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    for (const name of names) {
      const text = await Deno.readTextFile(join(folder, name));
      const content = text.replaceAll(IMPORT, "import(String($1))");
      files.set(name === first ? PROGRAM : name, ENCODER.encode(content));
    }
    return files;
  });
}

/**
 * As functions: `PROGRAM` is then `deploy/loader.js`, which says why.
 *
 * @throws {Error} with one sentence for people
 */
export async function bundleFunctions(
  { kind, target }: BundleOptions,
): Promise<Files> {
  const importMap = await importMapFor(target);
  const entry = await writeEntry(await buildInfo(kind));
  const flags = ["--format", "cjs", "--import-map", importMap];
  const program = await bundle(entry, flags, async (folder) => {
    const [{ name } = { name: "" }] = Deno.readDirSync(folder);
    return await Deno.readFile(join(folder, name));
  });
  const loader = new URL("loader.js", import.meta.url);
  return new Map([
    [PROGRAM, await Deno.readFile(loader)],
    ["program.js", program],
  ]);
}

/** @param take what is wanted of the folder that Deno has written */
async function bundle<T>(
  entry: URL,
  flags: readonly string[],
  take: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "clusternet-bundle-" });
  try {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["bundle", "--quiet", "--frozen", "--platform", "deno"],
        ...["--minify", "--unstable-raw-imports", ...flags],
        ...["--outdir", folder, fileURLToPath(entry)],
      ],
      cwd: ROOT,
      stdout: "null",
      stderr: "piped",
    }).output();
    if (success) return await take(folder);
    const reason = denoReason(new TextDecoder().decode(stderr));
    throw new Error(`Cannot bundle the program: ${reason}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * The imports of `deno.json`, and the shim of another machine in place of this
 * one's: the program imports one name, whichever machine it is built for.
 */
async function importMapFor(target: Target): Promise<string> {
  const own = target === Deno.build.arch;
  const shim = await buildShim(own ? undefined : target);
  const config: { readonly imports: Readonly<Record<string, string>> } = JSON
    .parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const imports = {
    ...config.imports,
    "./netlink.so": `./${basename(shim.pathname)}`,
  };
  const file = join(ROOT, `.build/imports-${target}.json`);
  const temporary = `${file}.${Deno.pid}`;
  await Deno.writeTextFile(temporary, JSON.stringify({ imports }));
  await Deno.rename(temporary, file);
  return file;
}
