/**
 * The tables of docs/logs.md and docs/events.md are what the code writes, and
 * nothing more.
 *
 * @module
 */

import assert from "node:assert/strict";
import { PROBLEM_REASONS } from "../mod/core/problem.ts";

const ROOT = new URL("../", import.meta.url);

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

/** First cells of the table behind that mark. */
function table(page: string, mark: string): readonly string[] {
  const [, rest = ""] = read(page).split(`<!-- ${mark}:`);
  const [, rows = ""] = /\n\n((?:\|.*\n)+)/.exec(rest) ?? [];
  return [...rows.matchAll(/^\| `([^`]+)`/gm)].map(([, cell = ""]) => cell);
}

function* sources(folder = new URL("mod/", ROOT)): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const at = new URL(isDirectory ? `${name}/` : name, folder);
    if (isDirectory) yield* sources(at);
    else if (name.endsWith(".ts")) yield Deno.readTextFileSync(at);
  }
}

const ALL = [...sources()].join("\n");
const LOG = read("mod/core/log.ts");

Deno.test("docs/logs.md has every key that a line can have, and no other", () => {
  const [, body = ""] = /type LogFields = \{([\s\S]*?)\n\};/.exec(LOG) ?? [];
  const fields = [...body.matchAll(/readonly (\w+)\?/g)].map(([, key]) => key);
  assert(fields.length > 5);
  assert.deepEqual(
    [...table("docs/logs.md", "keys")].sort(),
    ["time", "level", "message", "event", ...fields].sort(),
  );
});

Deno.test("docs/logs.md has every event that the code logs, and no other", () => {
  const [, body = ""] = /type LogEvent =([\s\S]*?);/.exec(LOG) ?? [];
  const known = [...body.matchAll(/"([a-z-]+)"/g)].map(([, one = ""]) => one);
  assert.deepEqual([...table("docs/logs.md", "events")].sort(), known);
  const logged = new Set(
    [...ALL.matchAll(/\bevent: "([a-z-]+)"/g)].map(([, one = ""]) => one),
  );
  assert.deepEqual([...logged].sort(), known);
});

Deno.test("docs/events.md has every reason that the agent gives, and no other", () => {
  const troubles = read("mod/agent/node_troubles.ts");
  const more = ["DuplicateKey", "DuplicatePodCIDR", "PeersDown"];
  for (const one of more) assert(troubles.includes(`"${one}"`), one);
  assert.deepEqual(
    [...table("docs/events.md", "reasons")].sort(),
    [...PROBLEM_REASONS, ...more, "ClusternetIsUp"].sort(),
  );
});
