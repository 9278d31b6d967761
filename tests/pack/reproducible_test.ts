/**
 * The same commit gives the same bytes, in whatever folder it is built.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sumOf } from "../../deploy/manifest.ts";
import { must, run } from "../lab/exec.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

Deno.test({
  name: "two clones in different folders build the same executable",
  ignore: skipped("two clones", { commands: ["git", "cc", "zstd"] }) ||
    !await isCheckout(),
  fn: async () => {
    await using dir = await tempDir();
    const sums: string[] = [];
    for (const name of ["a", "another/and deeper"]) {
      const clone = join(dir.path, name);
      await must(["git", "clone", "--quiet", "--shared", ROOT, clone]);
      const task = ["task", "--quiet", "--cwd", clone, "build"];
      await must([Deno.execPath(), ...task]);
      const file = join(clone, ".build", "bundled", "clusternet");
      sums.push(await sumOf(await Deno.readFile(file)));
    }
    assert.equal(sums[1], sums[0]);
  },
});

async function isCheckout(): Promise<boolean> {
  const { code } = await run(["git", "-C", ROOT, "rev-parse", "HEAD"]);
  return code === 0;
}
