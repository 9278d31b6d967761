/**
 * The build: the same commit gives the same bytes, in whatever folder, and what
 * is missing is said by the name of its package.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sumOf } from "../../deploy/manifest.ts";
import { must, run } from "../lab/exec.ts";
import { findCommand } from "../support/packages.ts";
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

for (
  const [missing, debian, others] of [
    ["cc", "gcc", ["dpkg-query", "git"]],
    ["zstd", "zstd", ["dpkg-query", "git", "cc", "as", "ld"]],
  ] as const
) {
  Deno.test({
    name: `without ${missing} the build names the Debian package ${debian}`,
    ignore: skipped(`without ${missing}`, { commands: [...others] }),
    fn: async () => {
      await using dir = await tempDir();
      for (const name of others) {
        await Deno.symlink(findCommand(name) ?? name, join(dir.path, name));
      }
      const { code, stderr } = await run([
        ...["env", `PATH=${dir.path}`, Deno.execPath(), "run", "-A"],
        ...["--no-check", "--quiet", join(ROOT, "deploy", "build.ts")],
      ]);
      assert.equal(code, 1);
      assert.match(stderr, /^Cannot [^\n]+ install the Debian package \w+\n$/);
      assert.match(stderr, new RegExp(` ${debian}\n$`));
    },
  });
}
