/**
 * Does what was planned, and says each step as it is done. All new files are
 * staged before the first is put in place, and what may be found afterwards is
 * on record before that: a run that is killed can be repeated.
 *
 * @module
 */

import { dirname } from "node:path";
import { errorText } from "../core/errors.ts";
import { type FileAction, fileActionText } from "../core/file_plan.ts";
import {
  type Installed,
  installedText,
  RECORD_FILE,
} from "../core/installed.ts";
import type { CommandLine } from "../core/service_plan.ts";
import { systemClock } from "../sys/clock.ts";
import {
  type Content,
  discardDraft,
  makeDirectory,
  missingDirectories,
  namesIn,
  placeFile,
  removeEmptyDirectory,
  removeFile,
  setMode,
  type Staged,
  stageFile,
} from "../sys/place_files.ts";
import { runCommand } from "../sys/systemctl.ts";
import { CopyProgress } from "./copy_progress.ts";
import { below } from "./install_place.ts";

/** The key lies there too. */
const STATE_DIRECTORY_MODE = 0o700;

/** The last line of an installation's files. */
export const RECORD_TEXT = `write ${RECORD_FILE}`;

export interface ApplyOptions {
  readonly root: string;
  readonly contents: ReadonlyMap<string, Content>;
  /** On record while the actions are under way. */
  readonly during: Installed;
}

/**
 * @returns the directories that are ours now
 * @throws {FatalError} one sentence; what was not done yet is as it was
 */
export function applyFiles(
  actions: readonly FileAction[],
  { root, contents, during }: ApplyOptions,
): readonly string[] {
  const directories = [
    ...new Set([
      ...during.directories,
      ...makeDirectories([...writtenPaths(actions), RECORD_FILE], root),
    ]),
  ];
  const staged = stageAll(actions, { root, contents });
  try {
    writeRecord(root, { ...during, directories });
    for (const action of actions) {
      apply(action, { root, staged });
      console.log(fileActionText(action));
    }
  } finally {
    for (const { path } of staged.values()) discardDraft(path);
  }
  return directories;
}

export function completeRecord(root: string, installed: Installed): void {
  writeRecord(root, installed);
  console.log(RECORD_TEXT);
}

export interface RemoveOptions {
  readonly root: string;
  /** Of what stays, and is ours to remove another time; `undefined`: nothing does. */
  readonly record: Installed | undefined;
}

/** What a run that was killed has left beside these files. */
export function sweep(paths: readonly string[], root: string): void {
  for (const path of [...paths, RECORD_FILE]) discardDraft(below(root, path));
}

/** The record goes, or is written, before the directories, which may have been its own. */
export function removeFiles(
  actions: readonly FileAction[],
  { root, record }: RemoveOptions,
): void {
  const isDirectory = ({ kind }: FileAction): boolean =>
    kind === "remove-directory";
  const run = (some: readonly FileAction[]): void => {
    for (const action of some) {
      apply(action, { root, staged: new Map() });
      console.log(fileActionText(action));
    }
  };
  run(actions.filter((action) => !isDirectory(action)));
  if (record === undefined) removeFile(below(root, RECORD_FILE));
  else writeRecord(root, record);
  run(actions.filter(isDirectory));
}

/**
 * Those of these directories that are empty once these paths are gone, in the
 * order in which they can be removed.
 */
export function emptied(
  directories: readonly string[],
  { root, gone }: { readonly root: string; readonly gone: readonly string[] },
): readonly string[] {
  const missing = new Set(gone);
  const empty: string[] = [];
  for (const path of directories.toReversed()) {
    const names = namesIn(below(root, path));
    if (names?.every((name) => missing.has(`${path}/${name}`)) !== true) {
      continue;
    }
    missing.add(path);
    empty.push(path);
  }
  return empty;
}

/** Goes on after a failure: what comes next may work, and is wanted. @returns did all work? */
export async function runAll(
  commands: readonly CommandLine[],
): Promise<boolean> {
  let good = true;
  for (const line of commands) {
    console.log(line.join(" "));
    try {
      await runCommand(line);
    } catch (error) {
      console.error(`clusternet: ${errorText(error)}`);
      good = false;
    }
  }
  return good;
}

function apply(
  action: FileAction,
  { root, staged }: {
    readonly root: string;
    readonly staged: ReadonlyMap<string, Staged>;
  },
): void {
  switch (action.kind) {
    case "write": {
      const file = staged.get(action.file.path);
      if (file !== undefined) placeFile(file);
      return;
    }
    case "back-up": {
      const file = staged.get(action.to);
      if (file !== undefined) placeFile(file);
      return;
    }
    case "set-mode":
      return setMode(below(root, action.path), action.mode);
    case "remove":
      return removeFile(below(root, action.path));
    case "remove-directory":
      return removeEmptyDirectory(below(root, action.path));
  }
}

function stageAll(
  actions: readonly FileAction[],
  { root, contents }: {
    readonly root: string;
    readonly contents: ReadonlyMap<string, Content>;
  },
): ReadonlyMap<string, Staged> {
  const staged = new Map<string, Staged>();
  try {
    for (const action of actions) {
      if (action.kind === "write") {
        const { path, mode } = action.file;
        const content = contents.get(path);
        if (content === undefined) continue;
        staged.set(path, stage(below(root, path), content, mode));
      } else if (action.kind === "back-up") {
        const from = below(root, action.path);
        const mode = (Deno.statSync(from).mode ?? 0) & 0o7777;
        const content: Content = { kind: "copy", of: from };
        const to = below(root, action.to);
        staged.set(action.to, stageFile(to, content, { mode }));
      }
    }
    return staged;
  } catch (error) {
    for (const { path } of staged.values()) discardDraft(path);
    throw error;
  }
}

/** An executable of 100 MB takes its time on a slow disk, and says so on a terminal. */
function stage(path: string, content: Content, mode: number): Staged {
  if (content.kind === "text") return stageFile(path, content, { mode });
  const { size } = Deno.statSync(content.of);
  using copied = new CopyProgress(path, { clock: systemClock, size });
  return stageFile(path, content, {
    mode,
    wrote: (bytes) => copied.wrote(bytes),
  });
}

/** @returns those that were not there, as on the running machine */
function makeDirectories(
  paths: readonly string[],
  root: string,
): readonly string[] {
  const made: string[] = [];
  for (const path of paths) {
    const missing = missingDirectories(below(root, path));
    for (const directory of missing) {
      const own = directory === below(root, dirname(RECORD_FILE));
      makeDirectory(directory, own ? STATE_DIRECTORY_MODE : 0o755);
    }
    made.push(
      ...missing.map((one) => root === "/" ? one : one.slice(root.length)),
    );
  }
  return made;
}

function writtenPaths(actions: readonly FileAction[]): readonly string[] {
  return actions.flatMap((action) =>
    action.kind === "write" ? [action.file.path] : []
  );
}

function writeRecord(root: string, installed: Installed): void {
  const content: Content = { kind: "text", text: installedText(installed) };
  placeFile(stageFile(below(root, RECORD_FILE), content, { mode: 0o600 }));
}
