/**
 * SIGKILL before every system call that touches the key file: whatever the
 * moment, the next start finds no key or a whole one, and a key that was there
 * stays the same.
 *
 * @module
 */

import assert from "node:assert/strict";
import { dirname } from "node:path";
import { skipped } from "../support/skip.ts";
import { type Call, runStruck, type Strike } from "../support/strike.ts";
import { tempDir } from "../support/temp_dir.ts";

const MAIN = new URL("key_file_main.ts", import.meta.url).pathname;

const ignore = skipped("key file, killed at each system call", {
  commands: ["strace"],
});

interface Outcome {
  readonly signal: Deno.Signal | null;
  /** Of a run that ended by itself. */
  readonly publicKey: string | undefined;
  readonly message: string | undefined;
  readonly calls: readonly Call[];
}

async function run(file: string, strike?: Strike): Promise<Outcome> {
  const directory = dirname(file);
  const paths = [
    dirname(directory),
    directory,
    file,
    `${directory}/.private.key.new`,
  ];
  const program = { command: [MAIN, file], paths };
  const { text, signal, calls } = await runStruck(program, strike);
  const said = text === "" ? {} : JSON.parse(text);
  return { signal, publicKey: said.publicKey, message: said.message, calls };
}

/** The key that stands there; `undefined`: none. @throws {Error} for half a key */
async function keyText(file: string): Promise<string | undefined> {
  try {
    const text = await Deno.readTextFile(file);
    assert.match(text, /^[A-Za-z0-9+/]{43}=\n$/);
    assert.equal(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o600);
    return text;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function killedAt(call: Call, prepared: boolean): Promise<void> {
  await using dir = await tempDir();
  const file = `${dir.path}/state/private.key`;
  const first = prepared ? await run(file) : undefined;
  const before = prepared ? await keyText(file) : undefined;
  const killed = await run(file, call);
  assert.equal(killed.signal, "SIGKILL");
  const left = await keyText(file);
  if (before !== undefined) assert.equal(left, before);
  const next = await run(file);
  assert.match(next.publicKey ?? "", /^[A-Za-z0-9+/]{43}=$/);
  const after = await keyText(file);
  if (left !== undefined) assert.equal(after, left, "the key has changed");
  if (first !== undefined) assert.equal(next.publicKey, first.publicKey);
  const names = [...Deno.readDirSync(dirname(file))].map(({ name }) => name);
  assert.deepEqual(names, ["private.key"], "a draft was left");
}

for (const prepared of [false, true]) {
  const what = prepared ? "loaded" : "made";
  Deno.test({
    name:
      `a key that is being ${what} survives SIGKILL before each system call`,
    ignore,
    fn: async (t) => {
      await using dir = await tempDir();
      const file = `${dir.path}/state/private.key`;
      if (prepared) await run(file);
      const { calls, signal } = await run(file);
      assert.equal(signal, null);
      assert(calls.length >= (prepared ? 6 : 15), `${calls.length} calls`);
      for (const call of calls) {
        await t.step(
          `${call.name} ${call.count}`,
          () => killedAt(call, prepared),
        );
      }
    },
  });
}

Deno.test({
  name: "a disk that fails to write or sync a new key is fatal, and told",
  ignore,
  fn: async () => {
    const rows = [["write", 1], ["fsync", 2], ["rename", 1], [
      "fsync",
      3,
    ]] as const;
    for (const [name, count] of rows) {
      await using dir = await tempDir();
      const file = `${dir.path}/state/private.key`;
      const strike = { name, count, fault: "error=EIO" };
      const { message, publicKey } = await run(file, strike);
      assert.equal(publicKey, undefined);
      assert.match(
        message ?? "",
        /^Cannot store the private key in .*: Input\/output error; make room/,
      );
      assert.notEqual((await run(file)).publicKey, undefined);
    }
  },
});

Deno.test({
  name: "a new key is synced before it is renamed, and its directory after",
  ignore,
  fn: async () => {
    await using dir = await tempDir();
    const { calls } = await run(`${dir.path}/state/private.key`);
    const order = calls.map(({ name }) => name).filter((name) =>
      ["mkdir", "mkdirat", "write", "fsync", "rename", "renameat2"]
        .includes(name)
    ).join(" ");
    // The last fsync is the reading back.
    assert.match(order, /^mkdir(at)? fsync write fsync rename\w* fsync fsync$/);
  },
});
