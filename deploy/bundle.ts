/**
 * The program as JavaScript without a name of this checkout in it: bundled,
 * minified, in pieces, of which a start reads only those that it needs.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildInfo, writeEntry } from "./entry.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** What the first piece is called. */
export const PROGRAM = "clusternet.js";

const ENTRY = "entry-bundled";

/**
 * Names of a piece as `import()` has them. Deno reads whatever a module names,
 * at each start, even where that is never called for: 4 MB of
 * `@kubernetes/client-node`, 100 MB of memory and half a second. It does not
 * look into a call.
 */
const IMPORT = /\bimport\(("\.\/[\w-]+\.js")\)/g;

/**
 * @returns the files by name, the first piece is `PROGRAM`
 * @throws {Error} with one sentence for people
 */
export async function bundleProgram(
  importMap: string | undefined,
): Promise<ReadonlyMap<string, Uint8Array<ArrayBuffer>>> {
  const entry = await writeEntry(await buildInfo("bundled"));
  const folder = await Deno.makeTempDir({ prefix: "clusternet-bundle-" });
  try {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["bundle", "--quiet", "--frozen", "--platform", "deno"],
        ...["--minify", "--code-splitting", "--unstable-raw-imports"],
        ...(importMap === undefined ? [] : ["--import-map", importMap]),
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
    return await pieces(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function pieces(
  folder: string,
): Promise<ReadonlyMap<string, Uint8Array<ArrayBuffer>>> {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const name of names) {
    const text = await Deno.readTextFile(join(folder, name));
    const content = text.replaceAll(IMPORT, "import(String($1))");
    files.set(
      name === `${ENTRY}.js` ? PROGRAM : name,
      new TextEncoder().encode(content),
    );
  }
  return files;
}
