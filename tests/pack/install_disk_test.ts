/**
 * A disk that is full or read-only: `clusternet install` says so in a sentence,
 * and nothing of it is there, or everything is as it was.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { RunResult } from "../lab/exec.ts";
import { Space } from "../lab/space.ts";
import { skipped } from "../support/skip.ts";
import { CLUSTERNET } from "./install_tree.ts";

const ignore = skipped("install on a full disk", {
  root: true,
  commands: ["unshare", "nsenter"],
});

/** A disk of so many KiB on /mnt/root, and executables of 100 and 600 KiB. */
function setup(kib: number): string {
  return `mount -t tmpfs tmpfs /mnt
mkdir /mnt/root
mount -t tmpfs -o size=${kib}k tmpfs /mnt/root
head -c 102400 /dev/urandom > /mnt/small
head -c 614400 /dev/urandom > /mnt/large`;
}

function install(space: Space, executable: string): Promise<RunResult> {
  return space.run([...CLUSTERNET, "install", "--root", "/mnt/root"], {
    env: { CLUSTERNET_EXECUTABLE: executable },
  });
}

function sums(space: Space): Promise<string> {
  return space.sh("cd /mnt/root; find . -type f -exec sha256sum {} + | sort");
}

async function inSpace(
  kib: number,
  work: (space: Space) => Promise<void>,
): Promise<void> {
  const space = await Space.make("disk", { setup: setup(kib), env: {} });
  try {
    await work(space);
  } finally {
    await space.end();
  }
}

Deno.test({
  name: "a full disk is told before anything is put in place",
  ignore,
  fn: () =>
    inSpace(512, async (space) => {
      const first = await install(space, "/mnt/large");
      assert.equal(first.code, 1);
      assert.match(
        first.stderr,
        /^clusternet: Cannot write [^\n]*: No space left on device\n$/,
      );
      assert.equal(await sums(space), "");
      assert.equal((await install(space, "/mnt/small")).code, 0);
      const before = await sums(space);
      const upgrade = await install(space, "/mnt/large");
      assert.equal(upgrade.code, 1);
      assert.match(upgrade.stderr, /No space left on device\n$/);
      assert.equal(await sums(space), before);
    }),
});

Deno.test({
  name:
    "a read-only disk is told, and there a second install has nothing to do",
  ignore,
  fn: () =>
    inSpace(2048, async (space) => {
      await space.sh("mount -o remount,ro /mnt/root");
      const { code, stderr } = await install(space, "/mnt/small");
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^clusternet: Cannot make the directory [^\n]*: Read-only file system\n$/,
      );
      await space.sh("mount -o remount,rw /mnt/root");
      assert.equal((await install(space, "/mnt/small")).code, 0);
      await space.sh("mount -o remount,ro /mnt/root");
      const again = await install(space, "/mnt/small");
      assert.match(again.stdout, /nothing to do/);
      assert.equal(again.code, 0, again.stderr);
    }),
});
