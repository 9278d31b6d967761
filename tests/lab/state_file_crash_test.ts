/**
 * SIGKILL before every system call that touches the state file, and disks that
 * take no write: whatever the moment, what stands there is the old text or the
 * new one, and the next start has it in order.
 *
 * @module
 */

import assert from "node:assert/strict";
import { dirname } from "node:path";
import { VERSION } from "../../mod/core/version.ts";
import { skipped } from "../support/skip.ts";
import { type Call, runStruck, type Strike } from "../support/strike.ts";
import { tempDir } from "../support/temp_dir.ts";

const MAIN = new URL("state_file_main.ts", import.meta.url).pathname;

const OURS = `{"format":1,"writtenBy":"${VERSION}"}\n`;

const ignore = skipped("state file, killed at each system call", {
  commands: ["strace"],
});

interface Outcome {
  readonly signal: Deno.Signal | null;
  readonly calls: readonly Call[];
  /** Of a run that ended by itself. */
  readonly said: {
    readonly due?: boolean;
    readonly unwritten?: string;
    readonly message?: string;
  };
}

async function run(file: string, strike?: Strike): Promise<Outcome> {
  const directory = dirname(file);
  const paths = [directory, file, `${directory}/.state.json.new`];
  const program = { command: [MAIN, file], paths };
  const { text, signal, calls } = await runStruck(program, strike);
  return { signal, calls, said: text === "" ? {} : JSON.parse(text) };
}

function textOf(file: string): string | undefined {
  try {
    return Deno.readTextFileSync(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

Deno.test({
  name: "a state file that is being written survives SIGKILL at each call",
  ignore,
  fn: async (t) => {
    await using dir = await tempDir();
    const { calls, signal } = await run(`${dir.path}/state.json`);
    assert.equal(signal, null);
    assert(calls.length >= 10, `${calls.length} calls`);
    for (const call of calls) {
      await t.step(`${call.name} ${call.count}`, async () => {
        await using place = await tempDir();
        const file = `${place.path}/state.json`;
        assert.equal((await run(file, call)).signal, "SIGKILL");
        const left = textOf(file);
        assert([undefined, OURS].includes(left), left ?? "");
        assert.equal((await run(file)).signal, null);
        assert.equal(textOf(file), OURS);
        const names = [...Deno.readDirSync(place.path)].map(({ name }) => name);
        assert.deepEqual(names, ["state.json"], "a draft was left");
      });
    }
  },
});

Deno.test({
  name: "a state file is synced before it is renamed, and its directory after",
  ignore,
  fn: async () => {
    await using dir = await tempDir();
    const { calls } = await run(`${dir.path}/state.json`);
    const order = calls.map(({ name }) => name).filter((name) =>
      ["write", "fsync", "rename", "renameat2"].includes(name)
    ).join(" ");
    assert.match(order, /^write fsync rename\w* fsync$/);
  },
});

Deno.test({
  name: "a disk that takes no state file is told of, and no reason to stop",
  ignore,
  fn: async () => {
    const rows = [
      ["write", 1, "error=EIO", /Input\/output error/],
      ["fsync", 1, "error=ENOSPC", /No space left on device/],
      ["rename", 1, "error=EROFS", /Read-only file system/],
      ["fsync", 2, "error=EIO", /Input\/output error/],
      ["flock", 1, "error=ENOLCK", /locked/],
    ] as const;
    for (const [name, count, fault, why] of rows) {
      await using dir = await tempDir();
      const file = `${dir.path}/state.json`;
      const { said } = await run(file, { name, count, fault });
      assert.match(said.unwritten ?? "", why);
      assert.match(
        said.unwritten ?? "",
        /^Cannot write state file .*; the age/,
      );
      assert.equal((await run(file)).said.unwritten, undefined);
      assert.equal(textOf(file), OURS);
    }
  },
});

Deno.test({
  name: "a state file of a newer version is neither written nor locked",
  ignore,
  fn: async () => {
    await using dir = await tempDir();
    const file = `${dir.path}/state.json`;
    const text = `{"format":2,"writtenBy":"0.2.0"}\n`;
    await Deno.writeTextFile(file, text);
    const { calls, said } = await run(file);
    assert.match(said.message ?? "", /clusternet 0\.2\.0 wrote it/);
    assert.deepEqual(
      calls.map(({ name }) => name).filter((name) =>
        !/^(openat|read|statx?|fstat|close)$/.test(name)
      ),
      [],
    );
    assert.equal(textOf(file), text);
  },
});
