/**
 * What is in the Debian package, as a list: nothing here looks at a disk but the
 * tree of the runtime. Invariant: modes, owners and order do not depend on who
 * builds, or where.
 *
 * @module
 */

import { join } from "node:path";
import { deployedFiles } from "../mod/cli/install_files.ts";

/** The launcher finds its runtime beside itself. */
const PROGRAM = "/usr/lib/clusternet/clusternet";

/** Where the units and people find the program. */
export const EXECUTABLE = "/usr/bin/clusternet";

export const DOC_DIRECTORY = "/usr/share/doc/clusternet";

export type PackedFile =
  | {
    readonly kind: "text";
    readonly path: string;
    readonly text: string;
    /** The administrator's once it is there. */
    readonly config?: boolean;
  }
  /** Compressed, as Debian wants its manuals and changelogs. */
  | { readonly kind: "gzip"; readonly path: string; readonly text: string }
  | {
    readonly kind: "copy";
    readonly path: string;
    readonly from: string;
    readonly executable: boolean;
  }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

/** @param built folder of `deno task build`: `launcher` and `runtime/` */
export function programFiles(built: string): readonly PackedFile[] {
  return [
    {
      kind: "copy",
      path: PROGRAM,
      from: join(built, "launcher"),
      executable: true,
    },
    ...[...walk(join(built, "runtime"))].map((name): PackedFile => {
      const from = join(built, "runtime", name);
      const { mode } = Deno.statSync(from);
      return {
        kind: "copy",
        path: `${PROGRAM}.runtime/${name}`,
        from,
        executable: ((mode ?? 0) & 0o100) !== 0,
      };
    }),
    { kind: "link", path: EXECUTABLE, target: "../lib/clusternet/clusternet" },
  ];
}

/** The same as `clusternet install` puts in place, where a package has them. */
export function serviceFiles(): readonly PackedFile[] {
  return deployedFiles({ executable: EXECUTABLE }).map((
    { packaged, text, config },
  ) => ({ kind: "text", path: packaged, text, config }));
}

/** Names of all files below, sorted. */
function* walk(folder: string, prefix = ""): Generator<string> {
  const entries = [...Deno.readDirSync(folder)]
    .sort((a, b) => a.name < b.name ? -1 : 1);
  for (const { name, isDirectory, isFile } of entries) {
    if (isDirectory) yield* walk(join(folder, name), `${prefix}${name}/`);
    else if (isFile) yield `${prefix}${name}`;
    else throw new Error(`Cannot pack ${join(folder, name)}: it is no file`);
  }
}
