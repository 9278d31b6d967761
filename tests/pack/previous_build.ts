/**
 * The executable that nodes have before an upgrade: that of the last version's
 * tag, or before there are tags, that of the commit before this one.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findCommand } from "../support/packages.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface Previous {
  /** As `clusternet version` has it: 12 digits. */
  readonly commit: string;
  /** "v0.1.0", or "the commit before this one" */
  readonly what: string;
}

/**
 * @param root of a checkout
 * @returns where there is none to build, why: "needs …"
 */
export async function findPrevious(root = ROOT): Promise<Previous | string> {
  if (findCommand("git") === undefined) return "needs git";
  const git = (args: readonly string[]): Promise<string | undefined> =>
    output("git", args, root);
  const before = await git(["rev-parse", "--verify", "--quiet", "HEAD^"]);
  if (before === undefined) {
    return "needs the commit before this one: a deeper clone";
  }
  const tag = await git([
    ...["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^"],
  ]);
  const { commit, what } = tag === undefined
    ? { commit: before, what: "the commit before this one" }
    : { commit: await git(["rev-parse", `${tag}^{commit}`]) ?? "", what: tag };
  const config = await git(["show", `${commit}:deno.json`]) ?? "{}";
  if (!("build" in (JSON.parse(config).tasks ?? {}))) {
    return `needs an earlier commit that has \`deno task build\`; ${what} has not`;
  }
  return { commit: commit.slice(0, 12), what };
}

/**
 * Builds it in a clone of its own below `folder`, with that version's own tasks.
 *
 * @returns path of the executable
 */
export async function buildPrevious(
  { commit }: Previous,
  folder: string,
): Promise<string> {
  const clone = join(folder, "clone");
  await must("git", ["clone", "--quiet", "--shared", ROOT, clone], folder);
  await must("git", ["checkout", "--quiet", "--detach", commit], clone);
  await must(Deno.execPath(), ["task", "--quiet", "build"], clone);
  return join(clone, ".build", "bundled", "clusternet");
}

/** `undefined`: it failed. */
async function output(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<string | undefined> {
  const { success, stdout } = await new Deno.Command(command, {
    args: [...args],
    cwd,
    stderr: "null",
  }).output();
  return success ? new TextDecoder().decode(stdout).trim() : undefined;
}

async function must(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd,
    env: { PATH: `${dirOfDeno()}:${Deno.env.get("PATH") ?? ""}` },
  }).output();
  if (success) return;
  const text = new TextDecoder().decode(stderr).trim().slice(-800);
  throw new Error(`Cannot build the previous version: ${command}: ${text}`);
}

/** Tasks of before may call `deno` by its name. */
function dirOfDeno(): string {
  return fileURLToPath(new URL(".", `file://${Deno.execPath()}`));
}
