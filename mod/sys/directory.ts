/**
 * Directories of our own: made on demand, for us alone, each durable in its
 * parent before anything is put into it. One that is there stays as it is.
 *
 * @module
 */

import { dirname } from "node:path";
import { ERRNO, KernelError } from "../core/errors.ts";
import { type Descriptor, O_DIRECTORY, O_RDONLY, type Shim } from "./shim.ts";

/**
 * Open a directory; make it (0700), and what leads to it, if absent.
 *
 * @throws {KernelError} from opening and syncing; Deno's own errors from making
 */
export function openOrMakeDirectory(path: string, shim: Shim): Descriptor {
  const flags = O_RDONLY | O_DIRECTORY;
  try {
    return shim.open(path, { flags });
  } catch (error) {
    if (!isErrno(error, ERRNO.ENOENT) || dirname(path) === path) throw error;
  }
  using parent = openOrMakeDirectory(dirname(path), shim);
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  shim.fsync(parent);
  return shim.open(path, { flags });
}

export function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

export function isErrno(error: unknown, errno: number): boolean {
  return error instanceof KernelError && error.errno === errno;
}

/** "No space left on device": what the system said, without who said it and where. */
export function systemReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/ \(os error [0-9]+\).*$/s, "").replace(
    /^Cannot .*: /,
    "",
  );
}
