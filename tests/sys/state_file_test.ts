/**
 * The state file: written once, refused when a newer version or nobody knows
 * wrote it, never overwritten. Full and read-only disks, and a kill at each
 * system call: `tests/lab/`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { FatalError } from "../../mod/core/errors.ts";
import { STATE_BYTES } from "../../mod/core/state_record.ts";
import { VERSION } from "../../mod/core/version.ts";
import { loadShim } from "../../mod/sys/shim.ts";
import {
  checkStateFile,
  stateFileOf,
  writeStateFile,
} from "../../mod/sys/state_file.ts";
import { tempDir } from "../support/temp_dir.ts";

const shim = await loadShim();

const OURS = `{"format":1,"writtenBy":"${VERSION}"}\n`;

/** Both ways in refuse it, with one sentence, and leave it as it is. */
async function refuses(file: string, what: RegExp): Promise<void> {
  const check = (error: unknown): true => {
    assert(error instanceof FatalError, Deno.inspect(error));
    assert.equal(error.exitCode, 1);
    assert.match(error.message, what);
    assert.match(error.message, /^Cannot use state file \/.*: .*; \S/);
    assert(error.message.includes(file), "names the file");
    return true;
  };
  assert.throws(() => checkStateFile(file, shim), check);
  await assert.rejects(writeStateFile(file, shim), check);
}

Deno.test("stateFileOf() stands beside the key", () => {
  assert.equal(
    stateFileOf("/var/lib/clusternet/private.key"),
    "/var/lib/clusternet/state.json",
  );
  assert.equal(stateFileOf("/key"), "/state.json");
});

Deno.test("writeStateFile() writes once, 0600, and leaves what is ours alone", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/state/state.json`;
  assert.equal(checkStateFile(file, shim), true);
  assert.equal(await writeStateFile(file, shim), undefined);
  assert.equal(await Deno.readTextFile(file), OURS);
  assert.equal((Deno.lstatSync(file).mode ?? 0) & 0o7777, 0o600);
  const before = Deno.lstatSync(file);
  assert.equal(checkStateFile(file, shim), false);
  assert.equal(await writeStateFile(file, shim), undefined);
  const after = Deno.lstatSync(file);
  assert.equal(after.ino, before.ino, "not written again");
  assert.deepEqual(after.mtime, before.mtime);
  assert.deepEqual(
    [...Deno.readDirSync(`${dir.path}/state`)].map(({ name }) => name),
    ["state.json"],
  );
});

Deno.test("writeStateFile() leaves our format as another version wrote it", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/state.json`;
  for (
    const text of [
      `{"format":1,"writtenBy":"0.0.9"}`,
      `{"format":1,"writtenBy":"0.2.0","hint":true}\n`,
    ]
  ) {
    await Deno.writeTextFile(file, text);
    assert.equal(await writeStateFile(file, shim), undefined);
    assert.equal(await Deno.readTextFile(file), text);
  }
});

Deno.test("checkStateFile() refuses a newer format: which file, who wrote it, what to do", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/state.json`;
  const rows: readonly (readonly [string, RegExp])[] = [
    [
      `{"format":2,"writtenBy":"0.4.0","keys":["a","b"]}\n`,
      /clusternet 0\.4\.0 wrote it in format 2, and clusternet \S+ knows none above 1; install 0\.4\.0 or a later one again$/,
    ],
    [
      `{"format":7}`,
      /a newer clusternet wrote it in format 7, .*; install that version or a later one again$/,
    ],
  ];
  for (const [text, sentence] of rows) {
    await Deno.writeTextFile(file, text, { mode: 0o600 });
    await refuses(file, sentence);
    assert.equal(await Deno.readTextFile(file), text);
  }
});

Deno.test("checkStateFile() refuses what is empty, cut off or another's, and leaves it", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/state.json`;
  const rows: readonly (readonly [string, RegExp])[] = [
    ["", /: it is empty; restore it/],
    [OURS.slice(0, 20), /: it is damaged, or another program's; restore it/],
    ["\0".repeat(45), /damaged/],
    [
      `{"format":1,"writtenBy":"0.1.0","x":"${"x".repeat(STATE_BYTES)}"}`,
      /dam/,
    ],
  ];
  for (const [text, sentence] of rows) {
    await Deno.writeTextFile(file, text, { mode: 0o600 });
    await refuses(file, sentence);
    assert.equal(await Deno.readTextFile(file), text);
  }
});

Deno.test("checkStateFile() follows no symbolic link, and opens nothing but files", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/state.json`;
  await Deno.symlink(`${dir.path}/target`, file);
  await refuses(file, /it is a symbolic link/);
  await Deno.writeTextFile(`${dir.path}/target`, OURS);
  await refuses(file, /it is a symbolic link/);
  await Deno.remove(file);
  await Deno.mkdir(file);
  await refuses(file, /it is not a regular file/);
  await Deno.remove(file);
  await new Deno.Command("mkfifo", { args: [file] }).output();
  await refuses(file, /it is not a regular file/);
});

Deno.test("writeStateFile() clears away the draft of a crash", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/state.json`;
  await Deno.writeTextFile(`${dir.path}/.state.json.new`, `{"format":9`);
  assert.equal(await writeStateFile(file, shim), undefined);
  assert.equal(await Deno.readTextFile(file), OURS);
  assert.deepEqual([...Deno.readDirSync(dir.path)].map(({ name }) => name), [
    "state.json",
  ]);
});

Deno.test("writeStateFile() called by many at once writes one file", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/state.json`;
  const all = await Promise.all(
    Array.from({ length: 20 }, () => writeStateFile(file, shim)),
  );
  assert.deepEqual(new Set(all), new Set([undefined]));
  assert.equal(await Deno.readTextFile(file), OURS);
});
