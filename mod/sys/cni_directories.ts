/**
 * What the directories of CNI hold: are our plugins there, and which files does
 * a runtime read before ours? Looks only.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import type { CniFound, EarlierFile } from "../core/cni_check.ts";
import { networkOf } from "../wire/cni_network.ts";

/** libcni, ConfFiles(): what it takes for a configuration. It sorts them as bytes. */
export const CNI_CONFIGURATION = /\.(conf|conflist|json)$/;

/** Bytes; a longer file is none that a person wrote. */
const FILE_LIMIT = 256 * 1024;

export interface CniLook {
  /** Our configuration. */
  readonly file: string;
  readonly plugins: readonly string[];
  /** None: nobody looks for the plugins. */
  readonly binDirs: readonly string[];
  /** Of host-local: a file for each address that a pod has. */
  readonly leases: string;
}

/** Fits the CniPort of `agent/ports.ts`. */
export class CniDirectories {
  readonly #inPod: boolean;

  /** @param options.inPod whether what is there is what is mounted */
  constructor({ inPod }: { readonly inPod: boolean }) {
    this.#inPod = inPod;
  }

  async look({ binDirs, file, leases, plugins }: CniLook): Promise<CniFound> {
    const missing: string[] = [];
    for (const plugin of binDirs.length === 0 ? [] : plugins) {
      if (!await isIn(plugin, binDirs)) missing.push(plugin);
    }
    return {
      missing,
      sighted: !this.#inPod,
      used: missing.length > 0 && await holdsAddress(leases),
      earlier: await earlierFiles(file),
    };
  }
}

/** A directory that cannot be listed is told by whoever writes into it. */
async function earlierFiles(file: string): Promise<readonly EarlierFile[]> {
  const folder = dirname(file);
  const own = basename(file);
  const names: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (!isDirectory && name < own && CNI_CONFIGURATION.test(name)) {
        names.push(name);
      }
    }
  } catch {
    return [];
  }
  const paths = names.sort().map((name) => join(folder, name));
  return await Promise.all(
    paths.map(async (path) => ({
      path,
      network: networkOf(await textOf(path)),
    })),
  );
}

/** "" where it cannot be read: a link to nowhere is as bad as no JSON. */
async function textOf(path: string): Promise<string> {
  try {
    const { size, isFile } = await Deno.stat(path);
    return isFile && size <= FILE_LIMIT ? await Deno.readTextFile(path) : "";
  } catch {
    return "";
  }
}

async function isIn(
  plugin: string,
  directories: readonly string[],
): Promise<boolean> {
  for (const directory of directories) {
    try {
      const { isFile, mode } = await Deno.stat(join(directory, plugin));
      if (isFile && ((mode ?? 0) & 0o111) !== 0) return true;
    } catch { /* not here */ }
  }
  return false;
}

/** host-local names its files by the addresses; `lock` and `last_reserved_ip.0` are none. */
async function holdsAddress(leases: string): Promise<boolean> {
  try {
    for await (const { name } of Deno.readDir(leases)) {
      if (/^[0-9a-f][0-9a-f.:]+$/i.test(name)) return true;
    }
  } catch { /* no pod has been attached since the boot */ }
  return false;
}
