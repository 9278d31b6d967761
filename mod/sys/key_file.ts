/**
 * The file of the node's private key. Its public key is what other nodes know
 * the node by, so the file is made once and never changed: whatever else stands
 * where it should be stops the agent with a sentence, and stays as it is.
 *
 * Made durable before anybody learns of it:
 *
 *     lock DIR → .NAME.new (O_EXCL, 0600) → write → fsync → rename → fsync DIR
 *
 * A crash at any point leaves either no key or the whole one. Opened with
 * O_NOFOLLOW through the shim: Deno itself follows symbolic links.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import { ERRNO, FatalError } from "../core/errors.ts";
import { PrivateKey } from "../core/key.ts";
import {
  isErrno,
  openOrMakeDirectory,
  removeIfThere,
  systemReason,
} from "./directory.ts";
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

/** 44 characters of base64 and a newline. */
const KEY_FILE_BYTES = 45;

/** How long another process may take to make the key, in tries of 20 ms. */
const LOCK_TRIES = 250;

const CURE =
  "restore it from a backup, or remove it to give this node a new identity";

export interface StoredKey {
  readonly key: PrivateKey;
  /** `true`: it is new, and durable. */
  readonly created: boolean;
}

/**
 * Read the key, or make one where there is no file at all.
 *
 * @param file absolute path; its directory is made (0700) if absent
 * @throws {FatalError} exit code 1, with the cure, for whatever is there and is
 * no private key of ours alone; for a disk that is full or read-only
 */
export async function loadOrCreatePrivateKey(
  file: string,
  shim: Shim,
): Promise<StoredKey> {
  using directory = openDirectory(dirname(file), shim);
  const found = load(file, shim);
  if (found !== undefined) {
    // Whoever made it may have died before this.
    sync(directory, shim);
    return { key: found, created: false };
  }
  await lock(directory, { file, shim });
  const meanwhile = load(file, shim);
  if (meanwhile !== undefined) return { key: meanwhile, created: false };
  store(file, { directory, shim });
  const key = load(file, shim);
  if (key === undefined) throw refusal(file, "it is gone again", "start again");
  return { key, created: true };
}

/** `undefined`: there is none. */
function load(file: string, shim: Shim): PrivateKey | undefined {
  let fd: Descriptor;
  try {
    // Nonblocking: a fifo without a writer must not hold us up.
    fd = shim.open(file, { flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK });
  } catch (error) {
    if (isErrno(error, ERRNO.ENOENT)) return undefined;
    if (isErrno(error, ERRNO.ELOOP)) {
      throw refusal(file, "it is a symbolic link", "put the file itself there");
    }
    throw refusal(file, "it cannot be opened", CURE, error);
  }
  using opened = fd;
  checkFile(file, shim.stat(opened));
  const key = parseKey(file, readText(opened, { file, shim }));
  sync(opened, shim);
  return key;
}

function checkFile(
  file: string,
  stat: { readonly mode: number; readonly uid: number },
): void {
  if ((stat.mode & S_IFMT) !== S_IFREG) {
    throw refusal(file, "it is not a regular file", "remove what is there");
  }
  const uid = Deno.uid();
  if (stat.uid !== uid) {
    throw refusal(
      file,
      `it belongs to user ${stat.uid}, not ${uid}`,
      `if you trust what is in it, run "chown ${uid} ${file}"`,
    );
  }
  if ((stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
    throw refusal(
      file,
      `others may read or write it (mode ${mode})`,
      `if nobody has, run "chmod 600 ${file}"; else remove it to give this node a new identity`,
    );
  }
}

/** One byte more than a key has is enough to see that it is none. */
function readText(
  fd: Descriptor,
  context: { readonly file: string; readonly shim: Shim },
): string {
  const buffer = new Uint8Array(KEY_FILE_BYTES + 1);
  let length = 0;
  try {
    while (length < buffer.length) {
      const part = context.shim.read(fd, buffer.subarray(length));
      if (part === 0) break;
      length += part;
    }
  } catch (cause) {
    throw refusal(context.file, "it cannot be read", CURE, cause);
  }
  const text = String.fromCharCode(...buffer.subarray(0, length));
  buffer.fill(0);
  return text;
}

/** A trailing newline is what editors and `wg genkey` leave; nothing else is forgiven. */
function parseKey(file: string, text: string): PrivateKey {
  if (text === "") throw refusal(file, "it is empty", CURE);
  try {
    return PrivateKey.parse(text.endsWith("\n") ? text.slice(0, -1) : text);
  } catch {
    // Without the cause: it is of no help, and the text is a secret.
    throw refusal(
      file,
      "it does not hold one private key (44 characters of base64, as `wg genkey` writes it)",
      CURE,
    );
  }
}

/** Only under the lock, and where no file is. */
function store(
  file: string,
  context: { readonly directory: Descriptor; readonly shim: Shim },
): void {
  const { directory, shim } = context;
  const draft = join(dirname(file), `.${basename(file)}.new`);
  const secret = PrivateKey.fromBytes(
    crypto.getRandomValues(new Uint8Array(32)),
  ).expose();
  const text = new TextEncoder().encode(
    `${btoa(String.fromCharCode(...secret))}\n`,
  );
  try {
    // What a crash left behind; nobody has seen its public key.
    removeIfThere(draft);
    writeDurably(draft, { text, shim });
    Deno.renameSync(draft, file);
    shim.fsync(directory);
  } catch (cause) {
    try {
      removeIfThere(draft);
    } catch { /* the first error is the one to tell */ }
    throw new FatalError(
      `Cannot store the private key in ${file}: ${
        systemReason(cause)
      }; make room and give permission there, then start again`,
      1,
      { cause },
    );
  } finally {
    secret.fill(0);
    text.fill(0);
  }
}

function writeDurably(
  path: string,
  options: { readonly text: Uint8Array<ArrayBuffer>; readonly shim: Shim },
): void {
  const { text, shim } = options;
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  using fd = shim.open(path, { flags, mode: 0o600 });
  for (let at = 0; at < text.length;) {
    at += shim.write(fd, text.subarray(at));
  }
  shim.fsync(fd);
}

function openDirectory(path: string, shim: Shim): Descriptor {
  let fd: Descriptor;
  try {
    fd = openOrMakeDirectory(path, shim);
  } catch (cause) {
    throw new FatalError(
      `Cannot keep the private key in ${path}: ${
        systemReason(cause)
      }; make that directory (mode 700), or name another place with --private-key-file`,
      1,
      { cause },
    );
  }
  try {
    checkDirectory(path, shim.stat(fd));
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** Where others may write, they may put another file in the key's place. */
function checkDirectory(
  path: string,
  stat: { readonly mode: number; readonly uid: number },
): void {
  const trusted = stat.uid === 0 || stat.uid === Deno.uid();
  if (trusted && (stat.mode & 0o022) === 0) return;
  throw new FatalError(
    `Cannot keep the private key in ${path}: others may write there; run "chmod 700 ${path}", or name another place with --private-key-file`,
    1,
  );
}

/** Two processes at once: one makes the key, the other finds it. */
async function lock(
  directory: Descriptor,
  context: { readonly file: string; readonly shim: Shim },
): Promise<void> {
  for (let left = LOCK_TRIES; left > 0; left--) {
    try {
      context.shim.flock(directory, LOCK_EX | LOCK_NB);
      return;
    } catch (error) {
      if (!isErrno(error, ERRNO.EAGAIN)) {
        throw refusal(
          context.file,
          "its directory cannot be locked",
          CURE,
          error,
        );
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw refusal(
    context.file,
    "another process holds its directory locked",
    "end that one, and start again",
  );
}

/** What is there already may lie on a file system that is read-only, or cannot sync. */
function sync(fd: Descriptor, shim: Shim): void {
  try {
    shim.fsync(fd);
  } catch { /* it was read; that is what matters here */ }
}

function refusal(
  file: string,
  what: string,
  cure: string,
  cause?: unknown,
): FatalError {
  const why = cause === undefined ? "" : ` (${systemReason(cause)})`;
  return new FatalError(
    `Cannot use private key file ${file}: ${what}${why}; ${cure}`,
    1,
    { cause },
  );
}
