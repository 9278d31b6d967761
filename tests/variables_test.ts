/**
 * The environment's variables that the program reads are those that its
 * permissions name: any other would be as if not set.
 *
 * @module
 */

import assert from "node:assert/strict";
import { LAUNCHER_VARIABLES, VARIABLES } from "../deploy/permissions.ts";
import { OPTIONS, variableName } from "../mod/core/config.ts";

/** `env.NAME`, `env["NAME"]`, `Deno.env.get("NAME")`, `{ NAME: … } = environment`. */
const READS = [
  /\benv(?:ironment)?(?:\.|\[")([A-Z][A-Z_]+)/g,
  /\benv\.get\("([A-Z_]+)"\)/g,
  /\b([A-Z][A-Z_]+)(?:: \w+)?(?=[^{}]*\} = env(?:ironment)?;)/g,
  /\bvariable = "([A-Z_]+)"/g,
];

function* sources(folder: URL): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* sources(new URL(`${name}/`, folder));
    else yield Deno.readTextFileSync(new URL(name, folder));
  }
}

Deno.test("each variable that the program reads is among its permissions, and no other", () => {
  const read = new Set(OPTIONS.map(variableName));
  for (const text of sources(new URL("../mod/", import.meta.url))) {
    for (const pattern of READS) {
      for (const [, name = ""] of text.matchAll(pattern)) read.add(name);
    }
  }
  assert.deepEqual(
    [...read].sort(),
    [...VARIABLES, ...LAUNCHER_VARIABLES].sort(),
  );
});
