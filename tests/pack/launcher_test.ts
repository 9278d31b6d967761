/**
 * The executable of `deno task build`, on its own and where a node is odd.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildInfo } from "../../deploy/entry.ts";
import { VERSION } from "../../mod/core/version.ts";
import { tempDir } from "../support/temp_dir.ts";

const EXECUTABLE = fileURLToPath(
  new URL("../../.build/bundled/clusternet", import.meta.url),
);

Deno.test("clusternet version says version, commit, Deno and bundled", async () => {
  await using dir = await tempDir();
  const { code, stdout } = await new Deno.Command(EXECUTABLE, {
    args: ["--runtime-dir", join(dir.path, "runtime"), "version"],
    clearEnv: true,
  }).output();
  const { commit } = await buildInfo("bundled");
  assert.equal(code, 0);
  assert.equal(
    new TextDecoder().decode(stdout).replace(/V8 [^,]*/, "V8"),
    `clusternet ${VERSION} (commit ${commit}, Deno ${Deno.version.deno}, V8, ${Deno.build.arch}, build bundled)\n`,
  );
});
