/**
 * One writer per link: whoever holds `flock` on `/run/clusternet/LINK.lock`.
 * The kernel lets go of it when the process ends, however it ends. The file
 * stays, for removing it would let two hold "it"; in it is the holder's process
 * id, for people.
 *
 * @module
 */

import { ERRNO, FatalError } from "../core/errors.ts";
import { isErrno, openOrMakeDirectory, systemReason } from "./directory.ts";
import {
  type Descriptor,
  LOCK_EX,
  LOCK_NB,
  O_CREAT,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  type Shim,
} from "./shim.ts";

/** Gone after a reboot, as all processes are. */
export const LOCK_DIRECTORY = "/run/clusternet";

/** Somebody may remove the file between our opening and locking it: then once more. */
const TRIES = 5;

export interface LockOptions {
  readonly shim: Shim;
  /** `LOCK_DIRECTORY` by default; made (0700) if absent. */
  readonly directory?: string;
}

/**
 * Become the one agent of this link until the result is disposed of, or the
 * process ends.
 *
 * @throws {FatalError} exit code 1: another agent has it, or the file cannot be made
 */
export function lockLink(link: string, options: LockOptions): Disposable {
  const { shim, directory = LOCK_DIRECTORY } = options;
  const path = `${directory}/${link}.lock`;
  if (!/^[^/\s]{1,15}$/.test(link)) {
    throw new FatalError(
      `Cannot lock link ${JSON.stringify(link)}: that is no name of a link`,
      2,
    );
  }
  try {
    using _directory = openOrMakeDirectory(directory, shim);
    for (let left = TRIES; left > 0; left--) {
      const held = tryLock(path, { link, shim });
      if (held === undefined) continue;
      writePid(path, shim);
      return held;
    }
  } catch (cause) {
    if (cause instanceof FatalError) throw cause;
    throw new FatalError(
      `Cannot lock link ${link} by ${path}: ${systemReason(cause)}`,
      1,
      { cause },
    );
  }
  throw new FatalError(
    `Cannot lock link ${link}: ${path} keeps being replaced; find out by whom`,
    1,
  );
}

/** `undefined`: what we locked is not what stands there any more. */
function tryLock(
  path: string,
  context: { readonly link: string; readonly shim: Shim },
): Descriptor | undefined {
  const { link, shim } = context;
  const flags = O_RDWR | O_CREAT | O_NOFOLLOW;
  const fd = shim.open(path, { flags, mode: 0o600 });
  try {
    shim.flock(fd, LOCK_EX | LOCK_NB);
    if (isSameFile(path, { fd, shim })) return fd;
    fd.close();
    return undefined;
  } catch (error) {
    fd.close();
    if (!isErrno(error, ERRNO.EAGAIN)) throw error;
    const pid = readPid(path, shim);
    throw new FatalError(
      `Cannot manage link ${link}: another agent does${
        pid === undefined ? "" : ` (process ${pid})`
      } and holds ${path}; stop that one first, or choose another --interface`,
      1,
    );
  }
}

function isSameFile(
  path: string,
  locked: { readonly fd: Descriptor; readonly shim: Shim },
): boolean {
  try {
    using now = locked.shim.open(path, { flags: O_RDONLY | O_NOFOLLOW });
    return locked.shim.stat(now).ino === locked.shim.stat(locked.fd).ino;
  } catch (error) {
    if (isErrno(error, ERRNO.ENOENT)) return false;
    throw error;
  }
}

function writePid(path: string, shim: Shim): void {
  const text = new TextEncoder().encode(`${Deno.pid}\n`);
  using fd = shim.open(path, { flags: O_WRONLY | O_TRUNC | O_NOFOLLOW });
  shim.write(fd, text);
}

/** `undefined`: not written yet, or not by an agent. */
function readPid(path: string, shim: Shim): string | undefined {
  const buffer = new Uint8Array(16);
  try {
    using fd = shim.open(path, { flags: O_RDONLY | O_NOFOLLOW });
    const text = new TextDecoder().decode(
      buffer.subarray(0, shim.read(fd, buffer)),
    );
    return /^[1-9][0-9]*\n$/.test(text) ? text.trim() : undefined;
  } catch {
    return undefined;
  }
}
