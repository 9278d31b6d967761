/**
 * Files put in place so that nobody ever sees a part of one, and a full disk is
 * found before the first is replaced:
 *
 *     stage: .NAME.clusternet-new (O_EXCL) → write → fsync     for all of them
 *     place: rename → fsync of the directory                   one by one
 *
 * A rename also replaces the binary of a program that runs. What a killed run
 * left behind is taken away by the next one, for the names are the same.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { FatalError } from "../core/errors.ts";
import type { Found } from "../core/file_plan.ts";
import { removeIfThere, systemReason } from "./directory.ts";

/** What is to be in a file: text, or what is in another file now. */
export type Content =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "copy"; readonly of: string };

export interface Digest {
  /** SHA-256 in hexadecimal. */
  readonly digest: string;
  readonly bytes: number;
}

const CHUNK_BYTES = 1 << 16;

/** @throws {FatalError} one sentence */
export function digestOf(content: Content): Digest {
  const hash = createHash("sha256");
  let bytes = 0;
  const add = (part: Uint8Array): void => {
    hash.update(part);
    bytes += part.length;
  };
  if (content.kind === "text") add(new TextEncoder().encode(content.text));
  else readChunks(content.of, add);
  return { digest: hash.digest("hex"), bytes };
}

/** @throws {FatalError} one sentence, where it is there and cannot be read */
export function findFile(path: string): Found {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return { kind: "nothing" };
    throw failure(`look for ${path}`, cause);
  }
  if (info.isFile) {
    const { digest } = digestOf({ kind: "copy", of: path });
    return { kind: "file", digest, mode: (info.mode ?? 0) & 0o7777 };
  }
  if (info.isSymlink) {
    return { kind: "other", what: `a link to ${Deno.readLinkSync(path)}` };
  }
  return {
    kind: "other",
    what: info.isDirectory ? "a directory" : "no regular file",
  };
}

/** The directories above a path that are not there yet, outermost first. */
export function missingDirectories(path: string): readonly string[] {
  const parent = dirname(path);
  if (parent === path || isDirectory(parent)) return [];
  return [...missingDirectories(parent), parent];
}

/** @param mode of the directory itself; what leads to it gets 0755 */
export function makeDirectory(path: string, mode: number): void {
  if (isDirectory(path)) return;
  makeDirectory(dirname(path), 0o755);
  try {
    Deno.mkdirSync(path);
    Deno.chmodSync(path, mode);
    syncDirectory(dirname(path));
  } catch (cause) {
    throw failure(`make the directory ${path}`, cause);
  }
}

/** A file that is ready to be renamed, on the same file system. */
export interface Staged {
  readonly path: string;
  readonly draft: string;
}

/**
 * The directory must be there.
 *
 * @throws {FatalError} one sentence; nothing is left behind then
 */
export function stageFile(
  path: string,
  content: Content,
  { mode, wrote = () => {} }: {
    readonly mode: number;
    /** Told of each piece of so many bytes. */
    readonly wrote?: (bytes: number) => void;
  },
): Staged {
  const draft = draftOf(path);
  try {
    removeIfThere(draft);
    writeDraft(draft, content, wrote);
    // Not at its making: the umask would have a say.
    Deno.chmodSync(draft, mode);
    return { path, draft };
  } catch (cause) {
    try {
      removeIfThere(draft);
    } catch { /* the first error is the one to tell */ }
    throw failure(`write ${path}`, cause);
  }
}

export function placeFile({ path, draft }: Staged): void {
  try {
    Deno.renameSync(draft, path);
    syncDirectory(dirname(path));
  } catch (cause) {
    throw failure(`write ${path}`, cause);
  }
}

/** What was staged for this path, now or by a run that was killed, and not put in place. */
export function discardDraft(path: string): void {
  try {
    removeIfThere(draftOf(path));
  } catch { /* the next run takes it away */ }
}

export function removeFile(path: string): void {
  try {
    removeIfThere(path);
    syncDirectory(dirname(path));
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return;
    throw failure(`remove ${path}`, cause);
  }
}

export function setMode(path: string, mode: number): void {
  try {
    Deno.chmodSync(path, mode);
  } catch (cause) {
    throw failure(`set the permissions of ${path}`, cause);
  }
}

/** One that is not empty, or not there, stays as it is. */
export function removeEmptyDirectory(path: string): void {
  try {
    Deno.removeSync(path);
  } catch { /* somebody has put something into it meanwhile */ }
}

/** `undefined`: there is no such directory. */
export function namesIn(path: string): readonly string[] | undefined {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch {
    return undefined;
  }
}

/** The first free name for a copy, or that of one with the same content. */
export function backupPath(path: string): string {
  const now = findFile(path);
  for (let count = 1;; count++) {
    const name = count === 1 ? `${path}.bak` : `${path}.bak.${count}`;
    const found = findFile(name);
    if (found.kind === "nothing") return name;
    const same = found.kind === "file" && now.kind === "file" &&
      found.digest === now.digest;
    if (same) return name;
  }
}

/** Beside it: what is written first, and gets the name once it is whole. */
export function draftOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.clusternet-new`);
}

function writeDraft(
  draft: string,
  content: Content,
  wrote: (bytes: number) => void,
): void {
  using file = Deno.openSync(draft, { write: true, createNew: true });
  const write = (part: Uint8Array): void => {
    for (let at = 0; at < part.length;) at += file.writeSync(part.subarray(at));
    wrote(part.length);
  };
  if (content.kind === "text") write(new TextEncoder().encode(content.text));
  else readChunks(content.of, write);
  file.syncSync();
}

function readChunks(path: string, take: (part: Uint8Array) => void): void {
  const buffer = new Uint8Array(CHUNK_BYTES);
  try {
    using file = Deno.openSync(path);
    for (;;) {
      const length = file.readSync(buffer);
      if (length === null) return;
      take(buffer.subarray(0, length));
    }
  } catch (cause) {
    throw failure(`read ${path}`, cause);
  }
}

function syncDirectory(path: string): void {
  using directory = Deno.openSync(path);
  directory.syncSync();
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function failure(what: string, cause: unknown): FatalError {
  return new FatalError(`Cannot ${what}: ${systemReason(cause)}`, 1, { cause });
}
