/**
 * What a support bundle reads of the node's files without any program: what lies
 * in a directory, and the text of some of it.
 *
 * @module
 */

import { join } from "node:path";
import { systemReason } from "./directory.ts";

/** Files and directories in one listing. */
const MOST_ENTRIES = 2_000;

/** Deeper nobody puts a configuration. */
const DEPTH = 4;

/** Bytes of one file. */
const MOST_BYTES = 256 * 1024;

/** include/uapi/linux/stat.h: the bits of a mode, as ls(1) writes them. */
const BITS = "rwxrwxrwx";

/**
 * As `ls -lR` has it, a path a line: what it is, who may what, owner, size, time.
 *
 * @throws {Error} where the directory itself cannot be read
 */
export async function listingOf(directory: string): Promise<string> {
  const lines = [await lineOf(directory)];
  for await (const path of below(directory, 1)) {
    if (lines.length === MOST_ENTRIES) {
      lines.push(`(cut: more than ${MOST_ENTRIES} of them)`);
      break;
    }
    lines.push(await lineOf(path));
  }
  return lines.map((line) => `${line}\n`).join("");
}

async function* below(
  directory: string,
  depth: number,
): AsyncGenerator<string> {
  for (const { isDirectory, name } of await entriesOf(directory)) {
    const path = join(directory, name);
    yield path;
    if (!isDirectory || depth === DEPTH) continue;
    try {
      yield* below(path, depth + 1);
    } catch {
      // It is not ours to look into: its own line is there.
    }
  }
}

async function entriesOf(
  directory: string,
): Promise<readonly Deno.DirEntry[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(directory));
    return entries.toSorted((a, b) => a.name < b.name ? -1 : 1);
  } catch (error) {
    // Without the cause, which says the same.
    throw new Error(`Cannot list ${directory}: ${systemReason(error)}`);
  }
}

async function lineOf(path: string): Promise<string> {
  try {
    const info = await Deno.lstat(path);
    const { gid, isDirectory, isSymlink, mode, mtime, size, uid } = info;
    const kind = isSymlink ? "l" : isDirectory ? "d" : "-";
    const rights = [...BITS].map((letter, at) =>
      ((mode ?? 0) >> (8 - at)) & 1 ? letter : "-"
    ).join("");
    const leads = isSymlink ? ` -> ${await Deno.readLink(path)}` : "";
    return `${kind}${rights} ${uid}:${gid} ${size} ${mtime?.toISOString()} ${path}${leads}`;
  } catch (error) {
    return `?          ${path} (${systemReason(error)})`;
  }
}

/**
 * Files of that directory whose name ends so, each beneath its path.
 *
 * @throws {Error} where the directory itself cannot be read
 */
export async function textsIn(
  directory: string,
  ending: RegExp,
): Promise<string> {
  const found = (await entriesOf(directory)).filter(({ name }) =>
    ending.test(name)
  );
  const texts = await Promise.all(found.map(async ({ name }) => {
    const path = join(directory, name);
    const text = await textOf(path).catch((error) =>
      `(not to be had: ${systemReason(error)})`
    );
    return `==> ${path} <==\n${text.trimEnd()}\n`;
  }));
  return texts.length === 0 ? `(${directory} has none)\n` : texts.join("\n");
}

/** No more than its beginning: it may be anything. */
async function textOf(path: string): Promise<string> {
  // A pipe would be waited for.
  if (!(await Deno.stat(path)).isFile) throw new Error("it is no file");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(MOST_BYTES);
  let length = 0;
  for (;;) {
    const count = await file.read(buffer.subarray(length));
    if (count === null || count === 0) break;
    length += count;
  }
  const text = new TextDecoder().decode(buffer.subarray(0, length));
  return length === MOST_BYTES ? `${text}\n(cut at ${MOST_BYTES} bytes)` : text;
}
