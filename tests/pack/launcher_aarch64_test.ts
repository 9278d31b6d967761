/**
 * The executable for aarch64, run by qemu-user: it unpacks itself, and the line
 * that it would execute runs. The step between them is the kernel's, which
 * executes no aarch64 here.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { VERSION } from "../../mod/core/version.ts";
import { outputFolder } from "../../deploy/build.ts";
import { run } from "../lab/exec.ts";
import { commandOf } from "../support/bundled.ts";
import { findCommand } from "../support/packages.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";

const QEMU =
  ["qemu-aarch64", "qemu-aarch64-static"].find((name) =>
    findCommand(name) !== undefined
  ) ?? "qemu-aarch64";

Deno.test({
  name: "the executable for aarch64 unpacks, and says what it is",
  ignore: Deno.build.arch !== "x86_64" ||
    skipped("the executable for aarch64", {
      commands: [QEMU, "aarch64-linux-gnu-gcc", "npm", "apt-get", "dpkg-deb"],
    }),
  fn: async () => {
    const task = ["task", "--quiet", "build", "--target", "aarch64"];
    const built = await run([Deno.execPath(), ...task]);
    assert.equal(built.code, 0, built.stderr);
    const folder = outputFolder("aarch64");
    await using dir = await tempDir();
    const launcher = [QEMU, join(folder, "clusternet")];
    const base = ["--runtime-dir", dir.path];
    const info = await run([...launcher, ...base, "--runtime-info"]);
    assert.equal(info.code, 0, info.stderr);
    const runtime = /^runtime (.*)$/m.exec(info.stdout)?.[1] ?? "";
    const start = await run([...launcher, ...base, "version"]);
    assert.match(start.stderr, /^clusternet: Cannot execute .*: Exec format/);
    const [, ...args] = commandOf(join(folder, "runtime"))
      .map((one) => one.replaceAll(join(folder, "runtime"), runtime));
    const said = await run([
      ...[QEMU, join(runtime, "clusternet"), ...args, "version"],
    ], { env: { CLUSTERNET_RUNTIME: runtime, DENO_DIR: "/dev/null/deno" } });
    assert.equal(said.stderr, "");
    assert.match(said.stdout, new RegExp(`^clusternet ${VERSION} \\(commit `));
    assert.match(said.stdout, /, aarch64, build bundled\)\n$/);
  },
});
