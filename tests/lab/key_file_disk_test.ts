/**
 * The key file on disks that are full or read-only: fatal before anything is
 * published, and what is there stays.
 *
 * @module
 */

import assert from "node:assert/strict";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";

const MAIN = new URL("key_file_main.ts", import.meta.url).pathname;

const ignore = skipped("key file on full and read-only disks", {
  root: true,
  commands: ["unshare", "mount", "wg"],
});

interface Outcome {
  readonly code: number;
  /** What the loader says: `{ message }` or `{ publicKey, created }`. */
  readonly said: {
    readonly message?: string;
    readonly publicKey?: string;
    readonly created?: boolean;
  };
  /** Names in the directory afterwards. */
  readonly names: readonly string[];
}

/** In a mount namespace of its own: `prepare` has $1, an empty directory, then the loader runs. */
async function onDisk(prepare: string): Promise<Outcome> {
  await using dir = await tempDir();
  const script = `
    set -e
    cd /
    ${prepare}
    code=0
    "$2" run -A --no-check "$3" "$1/private.key" || code=$?
    ls -A "$1" | tr '\\n' ' '
    exit $code
  `;
  const { code, stdout, stderr } = await new Deno.Command("unshare", {
    args: [
      ...["--mount", "sh", "-c", script, "sh"],
      ...[dir.path, Deno.execPath(), MAIN],
    ],
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  const [line = "", names = ""] = text.decode(stdout).split("\n");
  assert.match(line, /^\{/, text.decode(stderr));
  return {
    code,
    said: JSON.parse(line),
    names: names.split(" ").filter((name) => name !== ""),
  };
}

Deno.test({
  name: "a full disk is fatal, names itself, and leaves no half key",
  ignore,
  fn: async () => {
    const { code, said, names } = await onDisk(`
      mount -t tmpfs -o size=4k,mode=700 tmpfs "$1"
      head -c 4096 /dev/zero > "$1/filler"
    `);
    assert.equal(code, 1);
    assert.match(
      said.message ?? "",
      /^Cannot store the private key in \/.*: No space left on device; make room/,
    );
    assert.deepEqual(names, ["filler"]);
  },
});

Deno.test({
  name: "a disk without inodes is fatal in the same way",
  ignore,
  fn: async () => {
    const { code, said, names } = await onDisk(`
      mount -t tmpfs -o size=64k,nr_inodes=1,mode=700 tmpfs "$1"
    `);
    assert.equal(code, 1);
    assert.match(said.message ?? "", /No space left on device; make room/);
    assert.deepEqual(names, []);
  },
});

Deno.test({
  name: "a read-only disk without a key is fatal, and says so",
  ignore,
  fn: async () => {
    const { code, said } = await onDisk(`
      mount -t tmpfs -o ro,mode=700 tmpfs "$1"
    `);
    assert.equal(code, 1);
    assert.match(
      said.message ?? "",
      /^Cannot store the private key in \/.*: Read-only file system; /,
    );
  },
});

Deno.test({
  name: "a key on a read-only disk is good",
  ignore,
  fn: async () => {
    const { code, said } = await onDisk(`
      mount -t tmpfs -o mode=700 tmpfs "$1"
      (umask 077; wg genkey > "$1/private.key")
      mount -o remount,ro tmpfs "$1"
    `);
    assert.equal(code, 0);
    assert.equal(said.created, false);
  },
});

Deno.test({
  name: "a key on a full disk is good",
  ignore,
  fn: async () => {
    const { code, said, names } = await onDisk(`
      mount -t tmpfs -o size=8k,mode=700 tmpfs "$1"
      (umask 077; wg genkey > "$1/private.key")
      head -c 4096 /dev/zero > "$1/filler"
    `);
    assert.equal(code, 0);
    assert.equal(said.created, false);
    assert.deepEqual(names, ["filler", "private.key"]);
  },
});
