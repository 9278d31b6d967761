/**
 * SIGKILL before every system call that changes the executable or the record: no
 * file is ever a part of itself, and the same command once more comes to the same
 * end. And the disk may be full.
 *
 * @module
 */

import assert from "node:assert/strict";
import { dirname } from "node:path";
import { inTurns } from "../lab/exec.ts";
import { skipped } from "../support/skip.ts";
import {
  type Call,
  type Outcome,
  runStruck,
  type Strike,
} from "../support/strike.ts";
import { MAIN, Tree } from "./install_tree.ts";

const BINARY = "/usr/local/bin/clusternet";
const RECORD = "/var/lib/clusternet/installed.json";

/** One installed file stands for all, and the record for itself. */
const STRUCK = [BINARY, RECORD];

/** Calls of ours that change something, or make it durable; systemctl has others. */
const CHANGES = /^(write|fsync|chmod|rename|unlink|mkdir|rmdir)$/;

const ignore = skipped("install, killed at each system call", {
  commands: ["strace"],
});

interface Story {
  readonly name: string;
  /** What stands before the run that is struck. */
  readonly prepare: (tree: Tree) => Promise<unknown>;
  readonly command: "install" | "uninstall";
}

const STORIES: readonly Story[] = [
  {
    name: "a first install",
    prepare: () => Promise.resolve(),
    command: "install",
  },
  {
    name: "an upgrade",
    prepare: async (tree) => {
      await tree.install();
      await tree.build("two, and longer");
    },
    command: "install",
  },
  {
    name: "an uninstall",
    prepare: (tree) => tree.install(),
    command: "uninstall",
  },
];

function struck(
  tree: Tree,
  { command }: Story,
  strike?: Strike,
): Promise<Outcome> {
  const paths = STRUCK.flatMap((path) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const draft = `${dirname(path)}/.${name}.clusternet-new`;
    return [path, draft, dirname(path)].map((one) => tree.path(one));
  });
  return runStruck({
    command: [MAIN, command, "--root", tree.root],
    paths,
    env: { CLUSTERNET_EXECUTABLE: tree.executable },
  }, strike);
}

type Files = Readonly<Record<string, string>>;

/** Files alone: a killed run may forget that a directory was its own. */
function files(tree: Tree): Files {
  const all = Object.entries(tree.look()).filter(([path]) =>
    !path.endsWith("/") && path !== RECORD
  );
  return { ...Object.fromEntries(all), [RECORD]: recordOf(tree) };
}

function recordOf(tree: Tree): string {
  try {
    const text = Deno.readTextFileSync(tree.path(RECORD));
    return JSON.stringify({ ...JSON.parse(text), directories: [] });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** What a run that nobody disturbs comes to. */
async function wholeRun(story: Story): Promise<Files> {
  await using tree = await Tree.make();
  await story.prepare(tree);
  await tree[story.command]();
  return files(tree);
}

async function killedAt(
  call: Call,
  { story, whole }: { readonly story: Story; readonly whole: Files },
): Promise<void> {
  await using tree = await Tree.make();
  await story.prepare(tree);
  const before = files(tree);
  const { signal } = await struck(tree, story, call);
  assert.equal(signal, "SIGKILL");
  const between = files(tree);
  await tree[story.command]();
  const after = files(tree);
  assert.deepEqual(after, whole);
  const may = [before[BINARY], after[BINARY]];
  assert(may.includes(between[BINARY]), "the executable is a part of itself");
}

for (const story of STORIES) {
  Deno.test({
    name: `${story.name} that is killed comes to the same end when run again`,
    ignore,
    fn: async () => {
      await using tree = await Tree.make();
      await story.prepare(tree);
      const whole = await wholeRun(story);
      const { calls, signal } = await struck(tree, story);
      assert.equal(signal, null);
      const changes = calls.filter(({ name }) => CHANGES.test(name));
      assert(changes.length >= 6, `${changes.length} calls`);
      await inTurns(
        changes,
        (call) =>
          killedAt(call, { story, whole }).catch((cause) => {
            throw new Error(`killed before ${call.name} ${call.count}`, {
              cause,
            });
          }),
        3,
      );
    },
  });
}
