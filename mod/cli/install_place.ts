/**
 * What `install` and `uninstall` have to know of the place that they work in:
 * which executable this is, what root it is about, and what is on record there.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { FatalError } from "../core/errors.ts";
import {
  type Installed,
  NOTHING_INSTALLED,
  parseInstalled,
  RECORD_FILE,
} from "../core/installed.ts";
import type { BuildInfo } from "../core/version.ts";
import { backupPath } from "../sys/place_files.ts";

/** Where the units of packages are; the second is the first on a merged /usr. */
const PACKAGED_UNITS = [
  "/usr/lib/systemd/system/clusternet.service",
  "/lib/systemd/system/clusternet.service",
];

/** Where a file of the running machine lies now. */
export function below(root: string, path: string): string {
  return root === "/" ? path : join(root, path);
}

/** The free name beside a file, as on the running machine. */
export function backupBelow(root: string, path: string): string {
  const name = backupPath(below(root, path));
  return root === "/" ? name : name.slice(root.length);
}

/** @throws {FatalError} where no executable is there that could be copied */
export function ownExecutable({ kind }: BuildInfo): string {
  switch (kind) {
    case "source":
      throw new FatalError(
        "Cannot install a checkout: make an executable with `deno task build`, and run `.build/bundled/clusternet install`",
        1,
      );
    case "compiled":
      return Deno.execPath();
    case "bundled": {
      const path = Deno.env.get("CLUSTERNET_EXECUTABLE");
      if (path !== undefined && path !== "") return path;
      throw new FatalError(
        "Cannot install: CLUSTERNET_EXECUTABLE does not say where this executable is; start it directly, without clearing its environment",
        1,
      );
    }
  }
}

export function refuseWithoutRoot(command: string, root: string): void {
  if (root !== "/" || Deno.uid() === 0) return;
  throw new FatalError(
    `Cannot ${command} clusternet as user ${Deno.uid()}: run it as root`,
    1,
  );
}

/** The unit of a package that is installed; `undefined`: none is. */
export function packagedUnit(root: string): string | undefined {
  return PACKAGED_UNITS.find((path) => isThere(below(root, path)));
}

/** Two masters of the same files would undo each other's work. */
export function refusePackaged(command: string, root: string): void {
  const unit = packagedUnit(root);
  if (unit === undefined) return;
  throw new FatalError(
    `Cannot ${command} clusternet here: a package has installed it (${unit}); upgrade or remove it as that package, with apt or dpkg`,
    1,
  );
}

/** The launcher of a package or image cannot do without what lies beside it. */
export function refusePart(executable: string): void {
  if (!isThere(`${executable}.runtime`)) return;
  throw new FatalError(
    `Cannot install ${executable}: it is the part of a package or image, and not whole without ${executable}.runtime; take the one file that \`deno task build\` makes`,
    1,
  );
}

/** A symbolic link in the tree may lead out of it, into this machine. */
export function refuseOutside(root: string, paths: readonly string[]): void {
  if (root === "/") return;
  const inside = realPath(root);
  for (const path of paths) {
    let parent = dirname(below(root, path));
    while (!isThere(parent)) parent = dirname(parent);
    const real = realPath(parent);
    if (real === inside || real.startsWith(`${inside}/`)) continue;
    throw new FatalError(
      `Cannot write ${path} below ${root}: ${parent} leads to ${real}, outside of it; make it a relative link, or work in the tree by chroot`,
      1,
    );
  }
}

/** What we wrote; nothing where there is no record. */
export function readRecord(root: string): Installed {
  const file = below(root, RECORD_FILE);
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return NOTHING_INSTALLED;
    throw new FatalError(`Cannot read the record ${file}`, 1, { cause });
  }
  return parseInstalled(text, file);
}

/** One at a time in this tree; the next one waits. Ends with the process. */
export function lockPlace(root: string): Disposable {
  const directory = Deno.openSync(realPath(root));
  directory.lockSync(true);
  return directory;
}

function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (cause) {
    throw new FatalError(`Cannot work in ${path}: it is not there`, 1, {
      cause,
    });
  }
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
