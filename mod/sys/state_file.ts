/**
 * The file that says which format the state directory has (`core/state_record.ts`).
 * It stands beside the private key, and is written once that is durable.
 *
 * What a newer version wrote, and what nobody can read, stops the agent with a
 * sentence and is never overwritten. A disk that takes no write does not: the key
 * is what counts, and the next start tries again.
 *
 * @module
 */

import { dirname, join } from "node:path";
import {
  parseStateRecord,
  STATE_BYTES,
  STATE_FILE_NAME,
  STATE_FORMAT,
  stateRecordText,
} from "../core/state_record.ts";
import { VERSION } from "../core/version.ts";
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
import type { Shim } from "./shim.ts";

const CURE =
  "restore it from a backup, or, if no newer clusternet has run on this node, remove it";

/** In the key's directory. */
export function stateFileOf(privateKeyFile: string): string {
  return join(dirname(privateKeyFile), STATE_FILE_NAME);
}

/**
 * Look, and touch nothing.
 *
 * @param path absolute
 * @returns whether `writeStateFile()` has something to do
 * @throws {FatalError} exit code 1: it is of a newer format, or nobody can read it
 */
export function checkStateFile(path: string, shim: Shim): boolean {
  const file = ownFile(path, shim);
  using fd = openOwnFile(file);
  if (fd === undefined) return true;
  refuseIrregular(file, shim.stat(fd));
  const bytes = readOwnFile(fd, file, { limit: STATE_BYTES + 1 });
  const record = bytes.length > STATE_BYTES
    ? { kind: "garbage" } as const
    : parseStateRecord(new TextDecoder().decode(bytes));
  switch (record.kind) {
    case "ours":
      return false;
    case "older":
      return true;
    case "newer":
      throw refuseNewer(file, record);
    case "garbage":
      throw refusal(file, {
        what: bytes.length === 0
          ? "it is empty"
          : "it is damaged, or another program's",
      });
  }
}

/**
 * Write it where it is absent or of an older format; only once the key is durable.
 *
 * @returns what kept it from being written, a sentence; `undefined`: all is well
 * @throws {FatalError} exit code 1: see `checkStateFile()`
 */
export async function writeStateFile(
  path: string,
  shim: Shim,
): Promise<string | undefined> {
  if (!checkStateFile(path, shim)) return undefined;
  const file = ownFile(path, shim);
  const text = new TextEncoder().encode(stateRecordText(VERSION));
  try {
    using directory = openOrMakeDirectory(dirname(path), shim);
    await lockDirectory(directory, file);
    if (checkStateFile(path, shim)) storeOwnFile(file, { text, directory });
    return undefined;
  } catch (cause) {
    // Somebody else may have been quicker, and newer.
    checkStateFile(path, shim);
    return `Cannot write state file ${path}: ${
      systemReason(cause)
    }; the agent runs without it, and tries again at its next start`;
  }
}

function ownFile(path: string, shim: Shim): OwnFile {
  return { path, opening: "Cannot use state file", cure: CURE, shim };
}

function refuseNewer(
  file: OwnFile,
  record: { readonly format: number; readonly writtenBy: string | undefined },
): Error {
  const { format, writtenBy } = record;
  const [who, cure] = writtenBy === undefined
    ? ["a newer clusternet", "install that version"]
    : [`clusternet ${writtenBy}`, `install ${writtenBy}`];
  return refusal(file, {
    what:
      `${who} wrote it in format ${format}, and clusternet ${VERSION} knows none above ${STATE_FORMAT}`,
    cure: `${cure} or a later one again`,
  });
}
