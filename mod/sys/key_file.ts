/**
 * The file of the node's private key. Its public key is what other nodes know
 * the node by, so the file is made once and never changed: whatever else stands
 * where it should be stops the agent with a sentence, and stays as it is.
 *
 * Made durable before anybody learns of it (`own_file.ts`): a crash at any point
 * leaves either no key or the whole one.
 *
 * @module
 */

import { dirname } from "node:path";
import { FatalError } from "../core/errors.ts";
import { PrivateKey } from "../core/key.ts";
import { openOrMakeDirectory, systemReason } from "./directory.ts";
import {
  lockDirectory,
  openOwnFile,
  type OwnFile,
  readOwnFile,
  refusal,
  refuseIrregular,
  storeOwnFile,
} from "./own_file.ts";
import type { Descriptor, Shim } from "./shim.ts";

/** 44 characters of base64 and a newline. */
const KEY_FILE_BYTES = 45;

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
 * @param path absolute; its directory is made (0700) if absent
 * @throws {FatalError} exit code 1, with the cure, for whatever is there and is
 * no private key of ours alone; for a disk that is full or read-only
 */
export async function loadOrCreatePrivateKey(
  path: string,
  shim: Shim,
): Promise<StoredKey> {
  const file = ownFile(path, shim);
  using directory = openDirectory(dirname(path), shim);
  const found = load(file);
  if (found !== undefined) {
    // Whoever made it may have died before this.
    sync(directory, shim);
    return { key: found, created: false };
  }
  await lockDirectory(directory, file);
  const meanwhile = load(file);
  if (meanwhile !== undefined) return { key: meanwhile, created: false };
  store(file, directory);
  const key = load(file);
  if (key !== undefined) return { key, created: true };
  throw refusal(file, { what: "it is gone again", cure: "start again" });
}

/**
 * Read the key, and touch nothing.
 *
 * @param path absolute
 * @returns `undefined`: there is none
 * @throws {FatalError} as `loadOrCreatePrivateKey()`
 */
export function readPrivateKey(
  path: string,
  shim: Shim,
): PrivateKey | undefined {
  const file = ownFile(path, shim);
  using fd = openOwnFile(file);
  return fd === undefined ? undefined : readKey(file, fd);
}

function ownFile(path: string, shim: Shim): OwnFile {
  return { path, opening: "Cannot use private key file", cure: CURE, shim };
}

/** `undefined`: there is none. */
function load(file: OwnFile): PrivateKey | undefined {
  using fd = openOwnFile(file);
  if (fd === undefined) return undefined;
  const key = readKey(file, fd);
  sync(fd, file.shim);
  return key;
}

function readKey(file: OwnFile, fd: Descriptor): PrivateKey {
  checkFile(file, file.shim.stat(fd));
  return parseKey(file, readText(fd, file));
}

function checkFile(
  file: OwnFile,
  stat: { readonly mode: number; readonly uid: number },
): void {
  refuseIrregular(file, stat);
  const uid = Deno.uid();
  if (stat.uid !== uid) {
    throw refusal(file, {
      what: `it belongs to user ${stat.uid}, not ${uid}`,
      cure: `if you trust what is in it, run "chown ${uid} ${file.path}"`,
    });
  }
  if ((stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
    throw refusal(file, {
      what: `others may read or write it (mode ${mode})`,
      cure:
        `if nobody has, run "chmod 600 ${file.path}"; else remove it to give this node a new identity`,
    });
  }
}

/** One byte more than a key has is enough to see that it is none. */
function readText(fd: Descriptor, file: OwnFile): string {
  const bytes = readOwnFile(fd, file, { limit: KEY_FILE_BYTES + 1 });
  const text = String.fromCharCode(...bytes);
  bytes.fill(0);
  return text;
}

/** A trailing newline is what editors and `wg genkey` leave; nothing else is forgiven. */
function parseKey(file: OwnFile, text: string): PrivateKey {
  if (text === "") throw refusal(file, { what: "it is empty" });
  try {
    return PrivateKey.parse(text.endsWith("\n") ? text.slice(0, -1) : text);
  } catch {
    // Without the cause: it is of no help, and the text is a secret.
    throw refusal(file, {
      what:
        "it does not hold one private key (44 characters of base64, as `wg genkey` writes it)",
    });
  }
}

/** Only under the lock, and where no file is. */
function store(file: OwnFile, directory: Descriptor): void {
  const secret = PrivateKey.fromBytes(
    crypto.getRandomValues(new Uint8Array(32)),
  ).expose();
  const text = new TextEncoder().encode(
    `${btoa(String.fromCharCode(...secret))}\n`,
  );
  try {
    storeOwnFile(file, { text, directory });
  } catch (cause) {
    throw new FatalError(
      `Cannot store the private key in ${file.path}: ${
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

/** What is there already may lie on a file system that is read-only, or cannot sync. */
function sync(fd: Descriptor, shim: Shim): void {
  try {
    shim.fsync(fd);
  } catch { /* it was read; that is what matters here */ }
}
