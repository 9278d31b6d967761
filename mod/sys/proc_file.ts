/**
 * Files below /proc. Through the shim: without `--allow-all` Deno refuses to
 * read there, whatever else it may.
 *
 * @module
 */

import { KernelError } from "../core/errors.ts";
import { O_RDONLY, type Shim } from "./shim.ts";

/** Bytes of one read; of all of it. */
const CHUNK = 65_536;
const LIMIT = 4 * 1024 * 1024;

/** `undefined`: it is not there, or not ours to read. */
export function readProc(path: string, shim: Shim): string | undefined {
  try {
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
  } catch (error) {
    if (error instanceof KernelError) return undefined;
    throw error;
  }
}

/** Of the file that it leads to; `undefined`: not to be had. */
export function inodeOf(path: string, shim: Shim): bigint | undefined {
  try {
    using file = shim.open(path, { flags: O_RDONLY });
    return shim.stat(file).ino;
  } catch (error) {
    if (error instanceof KernelError) return undefined;
    throw error;
  }
}
