/**
 * Files below /proc. Through the shim: without `--allow-all` Deno refuses to
 * read there, whatever else it may.
 *
 * @module
 */

import { KernelError } from "../core/errors.ts";
import { decodeEntries } from "../wire/directory_entry.ts";
import {
  type FileStat,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  type Shim,
} from "./shim.ts";

/** Bytes of one read; of all of it. */
const CHUNK = 65_536;
const LIMIT = 4 * 1024 * 1024;

/** `undefined`: it is not there, or not ours to read. */
export function readProc(path: string, shim: Shim): string | undefined {
  try {
    return mustReadProc(path, shim);
  } catch (error) {
    if (error instanceof KernelError) return undefined;
    throw error;
  }
}

/** @throws {KernelError} where it is not there, or not ours to read */
export function mustReadProc(path: string, shim: Shim): string {
  using file = shim.open(path, { flags: O_RDONLY });
  const text = new TextDecoder();
  let all = "";
  for (let total = 0; total < LIMIT;) {
    const buffer = new Uint8Array(CHUNK);
    const length = shim.read(file, buffer);
    if (length === 0) break;
    total += length;
    all += text.decode(buffer.subarray(0, length), { stream: true });
  }
  return all;
}

/** Names in a directory; `undefined`: it is not there, or not ours to read. */
export function listProc(
  path: string,
  shim: Shim,
): readonly string[] | undefined {
  try {
    using directory = shim.open(path, { flags: O_RDONLY | O_DIRECTORY });
    const buffer = new Uint8Array(CHUNK);
    const names: string[] = [];
    for (;;) {
      const length = shim.readEntries(directory, buffer);
      if (length === 0) return names;
      names.push(...decodeEntries(buffer.subarray(0, length)));
    }
  } catch (error) {
    if (error instanceof KernelError) return undefined;
    throw error;
  }
}

/**
 * Of the file that it leads to, which may be another process' socket or
 * namespace.
 *
 * @throws {KernelError} ENOENT where there is none, EACCES where it is not ours to see
 */
export function statProc(path: string, shim: Shim): FileStat {
  using file = shim.open(path, { flags: O_PATH });
  return shim.stat(file);
}
