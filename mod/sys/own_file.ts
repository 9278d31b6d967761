/**
 * Small files of our own that outlive a power cut: the private key, the state.
 * Whatever else stands under such a name is refused with a sentence, and stays.
 *
 *     lock DIR → .NAME.new (O_EXCL, 0600) → write → fsync → rename → fsync DIR
 *
 * A crash at any point leaves the old file or the new one, never a part. Opened
 * with O_NOFOLLOW through the shim: Deno itself follows symbolic links.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import { ERRNO, FatalError } from "../core/errors.ts";
import { isErrno, removeIfThere, systemReason } from "./directory.ts";
import {
  type Descriptor,
  LOCK_EX,
  LOCK_NB,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
  S_IFMT,
  S_IFREG,
  type Shim,
} from "./shim.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** How long another process may hold the directory, in tries of 20 ms. */
const LOCK_TRIES = 250;

export interface OwnFile {
  /** Absolute. */
  readonly path: string;
  /** How its refusals begin: "Cannot use private key file". */
  readonly opening: string;
  /** What to do where nothing better is known. */
  readonly cure: string;
  readonly shim: Shim;
}

export interface Refusal {
  /** What is wrong: "it is empty". */
  readonly what: string;
  /** The file's own by default. */
  readonly cure?: string;
  readonly cause?: unknown;
}

/** "Cannot use private key file PATH: it is empty; restore it from a backup" */
export function refusal(file: OwnFile, options: Refusal): FatalError {
  const { what, cure = file.cure, cause } = options;
  const why = cause === undefined ? "" : ` (${systemReason(cause)})`;
  return new FatalError(
    `${file.opening} ${file.path}: ${what}${why}; ${cure}`,
    1,
    { cause },
  );
}

/**
 * Open it for reading.
 *
 * @returns `undefined` where there is none
 * @throws {FatalError} for whatever cannot be opened, a symbolic link above all
 */
export function openOwnFile(file: OwnFile): Descriptor | undefined {
  try {
    // Nonblocking: a fifo without a writer must not hold us up.
    const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
    return file.shim.open(file.path, { flags });
  } catch (cause) {
    if (isErrno(cause, ERRNO.ENOENT)) return undefined;
    if (isErrno(cause, ERRNO.ELOOP)) {
      throw refusal(file, {
        what: "it is a symbolic link",
        cure: "put the file itself there",
      });
    }
    throw refusal(file, { what: "it cannot be opened", cause });
  }
}

/** @throws {FatalError} for a directory, fifo, device */
export function refuseIrregular(
  file: OwnFile,
  stat: { readonly mode: number },
): void {
  if ((stat.mode & S_IFMT) === S_IFREG) return;
  throw refusal(file, {
    what: "it is not a regular file",
    cure: "remove what is there",
  });
}

/** @returns the first `limit` bytes, or all where it has fewer */
export function readOwnFile(
  fd: Descriptor,
  file: OwnFile,
  options: { readonly limit: number },
): Bytes {
  const buffer = new Uint8Array(options.limit);
  let length = 0;
  try {
    while (length < buffer.length) {
      const part = file.shim.read(fd, buffer.subarray(length));
      if (part === 0) break;
      length += part;
    }
  } catch (cause) {
    throw refusal(file, { what: "it cannot be read", cause });
  }
  return buffer.subarray(0, length);
}

/** Until `directory` is closed. Two processes at once: one writes, the other finds it. */
export async function lockDirectory(
  directory: Descriptor,
  file: OwnFile,
): Promise<void> {
  for (let left = LOCK_TRIES; left > 0; left--) {
    try {
      file.shim.flock(directory, LOCK_EX | LOCK_NB);
      return;
    } catch (cause) {
      if (!isErrno(cause, ERRNO.EAGAIN)) {
        throw refusal(file, { what: "its directory cannot be locked", cause });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw refusal(file, {
    what: "another process holds its directory locked",
    cure: "end that one, and start again",
  });
}

/**
 * Put a new file (0600) in place; only under the lock.
 *
 * @throws the system's errors: a disk that is full, read-only or broken
 */
export function storeOwnFile(
  file: OwnFile,
  options: { readonly text: Bytes; readonly directory: Descriptor },
): void {
  const { path, shim } = file;
  const draft = join(dirname(path), `.${basename(path)}.new`);
  try {
    // What a crash left behind; nobody has seen what is in it.
    removeIfThere(draft);
    writeDurably(draft, { text: options.text, shim });
    Deno.renameSync(draft, path);
    shim.fsync(options.directory);
  } catch (cause) {
    try {
      removeIfThere(draft);
    } catch { /* the first error is the one to tell */ }
    throw cause;
  }
}

function writeDurably(
  path: string,
  options: { readonly text: Bytes; readonly shim: Shim },
): void {
  const { text, shim } = options;
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  using fd = shim.open(path, { flags, mode: 0o600 });
  for (let at = 0; at < text.length;) {
    at += shim.write(fd, text.subarray(at));
  }
  shim.fsync(fd);
}
