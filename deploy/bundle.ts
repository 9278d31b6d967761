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

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** What the first piece is called. */
export const PROGRAM = "clusternet.js";

/**
 * Names of a piece as `import()` has them. Deno reads whatever a module names,
 * at each start, even where that is never called for: 4 MB of
 * `@kubernetes/client-node`, 100 MB of memory and half a second. It does not
 * look into a call.
 */
const IMPORT = /\bimport\(("\.\/[\w-]+\.js")\)/g;

export interface BundleOptions {
  readonly kind: BuildKind;
  /** Whose shim is in it. */
  readonly target: Target;
}

/**
 * @returns the files by name, the first piece is `PROGRAM`
 * @throws {Error} with one sentence for people
 */
export async function bundleProgram(
  { kind, target }: BundleOptions,
): Promise<ReadonlyMap<string, Uint8Array<ArrayBuffer>>> {
  const importMap = await importMapFor(target);
  const entry = await writeEntry(await buildInfo(kind));
  const folder = await Deno.makeTempDir({ prefix: "clusternet-bundle-" });
  try {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["bundle", "--quiet", "--frozen", "--platform", "deno"],
        ...["--minify", "--code-splitting", "--unstable-raw-imports"],
        ...["--import-map", importMap],
        ...["--outdir", folder, fileURLToPath(entry)],
      ],
      cwd: ROOT,
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) {
      const text = new TextDecoder().decode(stderr).trim();
      throw new Error(`Cannot bundle the program: ${text}`);
    }
    return await pieces(folder, basename(entry.pathname, ".ts"));
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

async function pieces(
  folder: string,
  entry: string,
): Promise<ReadonlyMap<string, Uint8Array<ArrayBuffer>>> {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const name of names) {
    const text = await Deno.readTextFile(join(folder, name));
    const content = text.replaceAll(IMPORT, "import(String($1))");
    files.set(
      name === `${entry}.js` ? PROGRAM : name,
      new TextEncoder().encode(content),
    );
  }
  return files;
}
