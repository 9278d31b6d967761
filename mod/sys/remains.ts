/**
 * What the agent has left on this machine: found, and taken away step by step
 * as `core/purge_plan.ts` decides.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import { CNI_RUN_DIRECTORY } from "../core/cni.ts";
import type { Config } from "../core/config.ts";
import { RECORD_FILE } from "../core/installed.ts";
import {
  type OwnPath,
  type PurgeStep,
  type Remains,
} from "../core/purge_plan.ts";
import { tableName } from "../core/nftables.ts";
import { ROUTE_PROTOCOL } from "../core/state.ts";
import { STATE_FILE_NAME } from "../core/state_record.ts";
import { isErrno, systemReason } from "./directory.ts";
import { ERRNO } from "../core/errors.ts";
import { LOCK_DIRECTORY } from "./lock.ts";
import { Nftables } from "./nftables.ts";
import { namesIn } from "./place_files.ts";
import { Rtnetlink } from "./rtnetlink.ts";
import type { Shim } from "./shim.ts";

/** Where the launcher unpacks the runtime, if not told otherwise. */
const STATE_DIRECTORY = dirname(RECORD_FILE);

export interface RemainsOptions {
  readonly shim: Shim;
  readonly config: Config;
  /** That of this process, unpacked by the launcher; `undefined`: it has none to remove. */
  readonly runtime: string | undefined;
  /** Files that are gone by then, installed ones. */
  readonly gone: readonly string[];
}

/** @throws {Error} where the kernel does not say */
export async function findRemains(
  { shim, config, runtime, gone }: RemainsOptions,
): Promise<Remains> {
  const name = config.interface;
  const network = new Rtnetlink(shim);
  const routes = await network.routes([]);
  return {
    link: { name, found: await network.link(name) },
    routes: routes.filter(({ protocol }) => protocol === ROUTE_PROTOCOL),
    table: await new Nftables(shim).hasTable(tableName(name)),
    conflist: {
      file: config.cniConfFile,
      found: conflist(config.cniConfFile),
    },
    paths: [...ownPaths(config, { runtime, gone })],
  };
}

/** @throws {Error} one sentence; what is gone already is no error */
export async function purgeStep(step: PurgeStep, shim: Shim): Promise<void> {
  try {
    switch (step.kind) {
      case "remove-link":
        return await new Rtnetlink(shim).removeLink(step.link);
      case "remove-route":
        return await new Rtnetlink(shim).removeRoute(step.route);
      case "remove-table":
        return await new Nftables(shim).removeTable(step.table);
      case "remove-path":
        return removePath(step.path);
    }
  } catch (error) {
    const { ENODEV, ENOENT, ESRCH } = ERRNO;
    if ([ENODEV, ENOENT, ESRCH].some((one) => isErrno(error, one))) return;
    throw error;
  }
}

function removePath({ path, kind }: OwnPath): void {
  try {
    Deno.removeSync(path, { recursive: kind === "tree" });
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return;
    throw new Error(`Cannot remove ${path}: ${systemReason(cause)}`, { cause });
  }
}

function conflist(file: string): Remains["conflist"]["found"] {
  const info = file === "" ? undefined : infoOf(file);
  if (info === undefined) return undefined;
  if (!info.isSymlink) return { what: "a file that somebody else wrote" };
  const target = Deno.readLinkSync(file);
  return target === join(CNI_RUN_DIRECTORY, basename(file))
    ? "ours"
    : { what: `a link to ${target}` };
}

function* ownPaths(
  config: Config,
  { runtime, gone }: Pick<RemainsOptions, "runtime" | "gone">,
): Generator<OwnPath> {
  const { cniConfFile, privateKeyFile } = config;
  if (cniConfFile !== "") {
    const folder = dirname(cniConfFile);
    const stem = basename(cniConfFile).replace(/\.[^.]*$/, "");
    yield* there(join(folder, ".clusternet"), "tree");
    yield* there(join(folder, `.${stem}.tmp`), "file");
  }
  yield* there(CNI_RUN_DIRECTORY, "tree");
  yield* there(LOCK_DIRECTORY, "tree");
  const keys = dirname(privateKeyFile);
  const inKeys = [basename(privateKeyFile), STATE_FILE_NAME];
  const files = inKeys.flatMap((name) => [name, `.${name}.new`])
    .map((name) => join(keys, name));
  for (const path of files) yield* there(path, "file");
  const runtimes = join(STATE_DIRECTORY, "runtime");
  yield* there(runtimes, "tree");
  if (runtime !== undefined && !runtime.startsWith(`${runtimes}/`)) {
    yield* there(runtime, "tree");
  }
  const missing = new Set([...gone, ...files, runtimes]);
  for (const path of new Set([STATE_DIRECTORY, keys])) {
    const rest = namesIn(path)?.filter((name) =>
      !missing.has(join(path, name))
    );
    if (rest?.length !== 0 || isMountPoint(path)) continue;
    yield { path, kind: "empty-directory" };
  }
}

function* there(path: string, kind: OwnPath["kind"]): Generator<OwnPath> {
  const info = infoOf(path);
  if (info === undefined) return;
  // What a symbolic link leads to is not ours to empty.
  yield { path, kind: info.isDirectory ? kind : "file" };
}

/** One cannot be removed, however empty. */
function isMountPoint(path: string): boolean {
  return infoOf(path)?.dev !== infoOf(dirname(path))?.dev;
}

/** Of a link itself. */
function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch {
    return undefined;
  }
}
