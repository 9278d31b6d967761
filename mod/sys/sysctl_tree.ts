/**
 * All settings of the network below /proc/sys/net, as `sysctl -a` prints them:
 * first those of the machine and of the links that count, then those of each
 * pod's, of which there may be hundreds. Never one that is a secret.
 *
 * @module
 */

import { listProc, readProc } from "./proc_file.ts";
import type { Shim } from "./shim.ts";

/** Below net/. */
const AREAS = ["ipv4", "ipv6", "core", "netfilter"];

/** tcp_fastopen_key, stable_secret, netdev_rss_key (Documentation/networking/ip-sysctl.rst). */
const SECRET = /secret|_key$/;

/** A directory for each link, or for each of these. */
const PER_LINK = new Set(["conf", "neigh"]);
const COMMON = ["all", "default", "lo"];

export interface SysctlTreeOptions {
  /** Where `/proc/sys/net` is; in a container it may be mounted elsewhere. */
  readonly net: string;
  /** Whose settings come before those of all others. */
  readonly link: string;
  /** Characters; what comes after them is not read. */
  readonly most: number;
  readonly shim: Shim;
}

/** `net.ipv4.ip_forward = 1`, a line each; what cannot be read is passed by. */
export function sysctlTree(options: SysctlTreeOptions): string {
  const later: string[] = [];
  let text = "";
  // What is put off by the first is there for the second.
  for (const paths of [AREAS, later]) {
    for (const path of settings(paths, later, options)) {
      if (text.length >= options.most) return text;
      text += lineOf(path, options);
    }
  }
  return text;
}

/** Files, and all that is in directories; those of a link that counts for less are put off. */
function* settings(
  paths: readonly string[],
  later: string[],
  options: SysctlTreeOptions,
): Generator<string> {
  for (const path of paths) {
    const names = listProc(`${options.net}/${path}`, options.shim);
    if (names === undefined) {
      yield path;
      continue;
    }
    const perLink = PER_LINK.has(path.split("/").at(-1) ?? "");
    const now = perLink
      ? [...COMMON, options.link].filter((name) => names.includes(name))
      : names.toSorted();
    const then = names.filter((name) => !now.includes(name)).toSorted();
    later.push(...then.map((name) => `${path}/${name}`));
    yield* settings(now.map((name) => `${path}/${name}`), later, options);
  }
}

/** "": it is a secret, or not ours to read. */
function lineOf(path: string, { net, shim }: SysctlTreeOptions): string {
  if (SECRET.test(path.split("/").at(-1) ?? "")) return "";
  const value = readProc(`${net}/${path}`, shim);
  if (value === undefined) return "";
  // For a dot in a link's name sysctl(8) writes a slash.
  const name = path.replaceAll(/[./]/g, (sign) => sign === "." ? "/" : ".");
  return `net.${name} = ${value.trimEnd().replaceAll(/\s*\n\s*/g, " | ")}\n`;
}
