/**
 * What has to be done to the files of a machine so that `install` or `uninstall`
 * has been done: wanted, found and recorded in, actions out. Each action prints
 * as the line that the dry run and the real one show alike.
 *
 * What is there counts as ours only if it is what we wrote, by its digest: we
 * recorded that one, or it is what we are about to write anyway. Anything else
 * somebody has changed, and it is refused, or kept, by name.
 *
 * @module
 */

export interface WantedFile {
  /** Absolute. */
  readonly path: string;
  /** SHA-256 in hexadecimal. */
  readonly digest: string;
  /** Permissions, like 0o644. */
  readonly mode: number;
  readonly bytes: number;
  /** The admin's from the moment that it is there: never written again. */
  readonly config: boolean;
}

/** What stands at a path. */
export type Found =
  | { readonly kind: "nothing" }
  | { readonly kind: "file"; readonly digest: string; readonly mode: number }
  /** `what` for people: "a link to /dev/null", "a directory" */
  | { readonly kind: "other"; readonly what: string };

export interface RecordedFile {
  readonly path: string;
  /** Of all that we may have written there: two while an upgrade is under way. */
  readonly digests: readonly string[];
  readonly config: boolean;
}

export type FileAction =
  | {
    readonly kind: "write";
    readonly file: WantedFile;
    readonly over: boolean;
  }
  | { readonly kind: "set-mode"; readonly path: string; readonly mode: number }
  | { readonly kind: "back-up"; readonly path: string; readonly to: string }
  | { readonly kind: "remove"; readonly path: string }
  /** One that we made, and that is empty by then. */
  | { readonly kind: "remove-directory"; readonly path: string };

export interface FilePlan {
  readonly actions: readonly FileAction[];
  /** Files that stay although one might expect otherwise: whole sentences. */
  readonly kept: readonly string[];
  /** Whole sentences; where there is one, nothing may be done. */
  readonly refused: readonly string[];
}

/** What there is to know of the machine. */
export interface Observed {
  readonly found: ReadonlyMap<string, Found>;
  readonly recorded: readonly RecordedFile[];
}

export interface InstallOptions {
  /** Replace what somebody changed, and keep a copy of it. */
  readonly force: boolean;
  /** Where the copy of a file would go. */
  readonly backupOf: (path: string) => string;
}

export function planInstall(
  wanted: readonly WantedFile[],
  { found, recorded }: Observed,
  { force, backupOf }: InstallOptions,
): FilePlan {
  const actions: FileAction[] = [];
  const kept: string[] = [];
  const refused: string[] = [];
  for (const file of wanted) {
    const { path, mode, digest } = file;
    const there = found.get(path) ?? { kind: "nothing" };
    if (there.kind === "nothing") {
      actions.push({ kind: "write", file, over: false });
    } else if (there.kind === "other") {
      refused.push(inTheWay(path, there.what));
    } else if (file.config) {
      kept.push(`${path} stays as it is: it is your configuration`);
    } else if (there.digest === digest) {
      if (there.mode !== mode) actions.push({ kind: "set-mode", path, mode });
    } else if (isOurs(path, there, recorded)) {
      actions.push({ kind: "write", file, over: true });
    } else if (force) {
      actions.push({ kind: "back-up", path, to: backupOf(path) });
      actions.push({ kind: "write", file, over: true });
    } else {
      refused.push(changed(path, recorded.some((one) => one.path === path)));
    }
  }
  const paths = new Set(wanted.map(({ path }) => path));
  const stale = recorded.filter(({ path }) => !paths.has(path));
  const rest = planUninstall({ found, recorded: stale }, {
    force: false,
    config: false,
  });
  return {
    actions: [...actions, ...rest.actions],
    kept: [...kept, ...rest.kept],
    refused,
  };
}

export interface UninstallOptions {
  /** Remove what somebody changed as well. */
  readonly force: boolean;
  /** Remove the configuration as well, changed or not. */
  readonly config: boolean;
}

export function planUninstall(
  { found, recorded }: Observed,
  options: UninstallOptions,
): FilePlan {
  const actions: FileAction[] = [];
  const kept: string[] = [];
  for (const { path, config } of recorded) {
    const there = found.get(path) ?? { kind: "nothing" };
    if (there.kind === "nothing") continue;
    const ours = there.kind === "file" && isOurs(path, there, recorded);
    if (there.kind === "other") {
      kept.push(`${path} stays: ${there.what} is in its place`);
    } else if (config ? options.config : ours || options.force) {
      actions.push({ kind: "remove", path });
    } else {
      const why = config
        ? "it is your configuration"
        : "somebody has changed it";
      kept.push(`${path} stays: ${why}`);
    }
  }
  return { actions, kept, refused: [] };
}

/**
 * What has to be on record before the first of these actions, so that a run that
 * is killed among them can be repeated: what was ours, and what will be.
 */
export function recordOf(
  wanted: readonly WantedFile[],
  recorded: readonly RecordedFile[],
): readonly RecordedFile[] {
  const byPath = new Map(recorded.map((one) => [one.path, one]));
  for (const { path, digest, config } of wanted) {
    const before = byPath.get(path)?.digests ?? [];
    // The admin's is not compared with what other flags would make of it.
    if (config && before.length > 0) continue;
    byPath.set(path, {
      path,
      digests: [...new Set([...before, digest])],
      config,
    });
  }
  return [...byPath.values()];
}

/**
 * Those that are as they should be, but not by us: what runs may not have taken
 * notice. So it is after `cp clusternet-new /usr/local/bin/clusternet`.
 */
export function adoptedPaths(
  wanted: readonly WantedFile[],
  { found, recorded }: Observed,
): readonly string[] {
  return wanted.filter(({ path, digest, config }) => {
    const there = found.get(path);
    return !config && there?.kind === "file" && there.digest === digest &&
      !isOurs(path, there, recorded);
  }).map(({ path }) => path);
}

/** The files that an action writes, changes or takes away. */
export function changedPaths(
  actions: readonly FileAction[],
): readonly string[] {
  return actions.map((action) =>
    action.kind === "write" ? action.file.path : action.path
  );
}

/** As a person would say or type it; the dry run says the same. */
export function fileActionText(action: FileAction): string {
  switch (action.kind) {
    case "write": {
      const { path, bytes } = action.file;
      return `${action.over ? "replace" : "write"} ${path} (${bytes} bytes)`;
    }
    case "set-mode":
      return `chmod ${action.mode.toString(8).padStart(4, "0")} ${action.path}`;
    case "back-up":
      return `cp ${action.path} ${action.to}`;
    case "remove":
      return `rm ${action.path}`;
    case "remove-directory":
      return `rmdir ${action.path}`;
  }
}

function isOurs(
  path: string,
  there: { readonly digest: string },
  recorded: readonly RecordedFile[],
): boolean {
  return recorded.some((one) =>
    one.path === path && one.digests.includes(there.digest)
  );
}

function inTheWay(path: string, what: string): string {
  return `Cannot write ${path}: ${what} is in its place; remove that, then install again`;
}

function changed(path: string, recorded: boolean): string {
  const why = recorded
    ? "somebody has changed it since clusternet wrote it"
    : "it is there already, and clusternet did not write it";
  return `Cannot replace ${path}: ${why}; move your changes elsewhere (for a unit: \`systemctl edit\`) and remove it, or give --force, which keeps a copy`;
}
