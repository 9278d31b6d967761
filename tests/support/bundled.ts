/**
 * What `deno task build` has made, and how to start it.
 *
 * @module
 */

import { join } from "node:path";
import { outputFolder } from "../../deploy/build.ts";
import { permissions } from "../../deploy/permissions.ts";
import { RUNTIME } from "../../deploy/manifest.ts";

export const FOLDER = outputFolder("x86_64");

/** The one file. */
export const EXECUTABLE = join(FOLDER, "clusternet");

/** Of that executable, unpacked. */
export const RUNTIME_FOLDER = join(FOLDER, "runtime");

/** What the launcher executes, as the manifest in a runtime's directory has it. */
export function commandOf(folder: string): readonly string[] {
  const manifest = Deno.readTextFileSync(join(folder, "manifest"));
  return [...manifest.matchAll(/^arg (.*)$/gm)]
    .map(([, argument = ""]) => argument.replaceAll(RUNTIME, folder));
}

/** The same program with the same flags, run by Deno and the machine's C library. */
export function plainCommand(): readonly string[] {
  const command = commandOf(RUNTIME_FOLDER);
  const deno = command.indexOf(join(RUNTIME_FOLDER, "deno"));
  const libraries = permissions().filter(isLibraries);
  return [
    Deno.execPath(),
    ...command.slice(deno + 1).flatMap((one) =>
      isLibraries(one) ? libraries : [one]
    ),
  ];
}

function isLibraries(flag: string): boolean {
  return flag.startsWith("--allow-ffi=");
}
