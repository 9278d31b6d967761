/**
 * SIGKILL before every system call that puts the CNI configuration in place:
 * what a runtime finds then is nothing, the old text or the new one, and the
 * next write mends the rest.
 *
 * @module
 */

import assert from "node:assert/strict";
import { skipped } from "../support/skip.ts";
import {
  type Call,
  type Outcome,
  runStruck,
  type Strike,
} from "../support/strike.ts";
import { tempDir } from "../support/temp_dir.ts";

const MAIN = new URL("conflist_main.ts", import.meta.url).pathname;
const NAME = "10-clusternet.conflist";
const OLD = '{"name":"old"}';
const NEW = '{"name":"new"}';

const ignore = skipped("CNI configuration, killed at each system call", {
  commands: ["strace"],
});

function write(root: string, text: string, strike?: Strike): Promise<Outcome> {
  const [net, run] = [`${root}/net.d`, `${root}/run`];
  const paths = [
    ...[root, net, `${net}/${NAME}`, `${net}/.10-clusternet.tmp`],
    ...[`${net}/.clusternet`, `${net}/.clusternet/${NAME}`],
    ...[run, `${run}/${NAME}`, `${run}/.${NAME}.new`],
  ];
  const command = [MAIN, `${net}/${NAME}`, run, text];
  return runStruck({ command, paths }, strike);
}

/** What a runtime would load. */
async function found(root: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(`${root}/net.d/${NAME}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function killedAt(call: Call, before: string | undefined): Promise<void> {
  await using dir = await tempDir();
  const root = dir.path;
  if (before !== undefined) await write(root, before);
  const { signal } = await write(root, NEW, call);
  assert.equal(signal, "SIGKILL");
  assert([before, NEW].includes(await found(root)));
  assert.equal((await write(root, NEW)).text, "written\n");
  assert.equal(await found(root), NEW);
  const names = [...Deno.readDirSync(`${root}/net.d`)].map(({ name }) => name);
  assert.deepEqual(names.sort(), [".clusternet", NAME]);
}

for (const before of [undefined, OLD]) {
  Deno.test({
    name: `a CNI configuration ${
      before === undefined ? "that is new" : "that replaces another"
    } survives SIGKILL before each system call`,
    ignore,
    fn: async (t) => {
      await using dir = await tempDir();
      if (before !== undefined) await write(dir.path, before);
      const { calls, signal } = await write(dir.path, NEW);
      assert.equal(signal, null);
      assert(calls.length >= 12, `${calls.length} calls`);
      for (const call of calls) {
        await t.step(
          `${call.name} ${call.count}`,
          () => killedAt(call, before),
        );
      }
    },
  });
}
