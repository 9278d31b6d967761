/**
 * What a diagnosis reads of the machine: key file, disk, kernel, log, files,
 * sockets, the programs that manage networks. Never the key itself.
 *
 * @module
 */

import { dirname } from "node:path";
import { ERRNO, KernelError } from "../core/errors.ts";
import { derivePublicKey, PrivateKey } from "../core/key.ts";
import { NETWORK_MANAGER, NETWORKD } from "../core/service_plan.ts";
import type {
  DiskFacts,
  FileFacts,
  KeyFacts,
  ManagerFacts,
} from "../core/machine_facts.ts";
import { decodeStatfs } from "../wire/statfs.ts";
import { commandOutput, mustOutput } from "./command_output.ts";
import { listProc, readProc } from "./proc_file.ts";
import { O_DIRECTORY, O_RDONLY, type Shim } from "./shim.ts";

const READ = { timeoutMs: 3_000 };

/** Makes none, and changes nothing. */
export async function findKey(path: string): Promise<KeyFacts> {
  const none = { path, mode: null, uid: null, directoryMode: null };
  let stat: Deno.FileInfo;
  let directory: Deno.FileInfo;
  try {
    stat = await Deno.lstat(path);
    directory = await Deno.stat(dirname(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return { ...none, publicKey: null };
    }
    throw error;
  }
  return {
    path,
    mode: (stat.mode ?? 0) & 0o7777,
    uid: stat.uid,
    directoryMode: (directory.mode ?? 0) & 0o7777,
    publicKey: await publicKeyIn(path),
  };
}

async function publicKeyIn(path: string): Promise<string | null> {
  try {
    const text = await Deno.readTextFile(path);
    return await derivePublicKey(PrivateKey.parse(text.replace(/\n$/, "")));
  } catch (error) {
    // Without the cause: the text is a secret.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/**
 * Nothing is known of a directory that is not there.
 *
 * @throws {KernelError} where it is not ours to look into
 */
export function findDisk(directory: string, shim: Shim): DiskFacts {
  const none = { directory, readOnly: false, freeKib: null, freeInodes: null };
  try {
    using place = shim.open(directory, { flags: O_RDONLY | O_DIRECTORY });
    const { readOnly, available, freeFiles } = decodeStatfs(
      shim.statFileSystem(place),
    );
    const freeInodes = freeFiles ?? null;
    const freeKib = Math.floor(available / 1024);
    return { directory, readOnly, freeKib, freeInodes };
  } catch (error) {
    if (error instanceof KernelError && error.errno === ERRNO.ENOENT) {
      return none;
    }
    throw error;
  }
}

export function findFiles(pid: number | undefined, shim: Shim): FileFacts {
  const [open = 0, , limit = Infinity] =
    (readProc("/proc/sys/fs/file-nr", shim) ?? "").trim().split(/\s+/).map(
      Number,
    );
  const system = { systemOpen: open, systemLimit: limit };
  if (pid === undefined) return { open: null, limit: null, ...system };
  const limits = readProc(`/proc/${pid}/limits`, shim) ?? "";
  const [, soft] = /^Max open files\s+(\d+)/m.exec(limits) ?? [];
  return {
    open: listProc(`/proc/${pid}/fd`, shim)?.length ?? null,
    limit: soft === undefined ? null : Number(soft),
    ...system,
  };
}

/** @throws {Error} where there is no systemctl(1), as in a pod */
export async function findManagers(link: string): Promise<ManagerFacts> {
  const networkd = await isActive(NETWORKD);
  const networkManager = await isActive(NETWORK_MANAGER);
  return {
    networkd,
    foreignRoutesKept: networkd && await keepsForeignRoutes(),
    networkManager,
    linkUnmanaged: networkManager && await isUnmanaged(link),
  };
}

/** No: also where systemd is installed, and was not booted. */
async function isActive(unit: string): Promise<boolean> {
  const { code } = await commandOutput(
    ["systemctl", "is-active", "--quiet", unit],
    READ,
  );
  return code === 0;
}

async function keepsForeignRoutes(): Promise<boolean> {
  const said = await mustOutput(
    ["systemd-analyze", "cat-config", "systemd/networkd.conf"],
    READ,
  );
  return keepsForeign(said);
}

/** The last setting wins. */
export function keepsForeign(config: string): boolean {
  const values = [...config.matchAll(/^\s*ManageForeignRoutes\s*=\s*(\S*)/gm)];
  return /^(no|false|off|0)$/i.test(values.at(-1)?.[1] ?? "");
}

async function isUnmanaged(link: string): Promise<boolean> {
  const { code, stdout } = await commandOutput(
    ["nmcli", "-g", "GENERAL.STATE", "device", "show", link],
    READ,
  );
  return code !== 0 || /unmanaged/.test(stdout);
}

/**
 * Messages "destination unreachable" that this machine has received, and did not
 * send to itself: to a name server that is not there, say.
 */
export function unreachableCount(shim: Shim): number {
  const four = readProc("/proc/self/net/snmp", shim) ?? "";
  const six = readProc("/proc/self/net/snmp6", shim) ?? "";
  return icmpCount(four, "DestUnreachs") + icmp6Count(six, "DestUnreachs");
}

/** Two lines: names, then figures. */
function icmpCount(text: string, what: string): number {
  const [names = [], figures = []] = text.split("\n")
    .filter((line) => line.startsWith("Icmp:"))
    .map((line) => line.split(/\s+/));
  const figure = (name: string): number =>
    Number(figures[names.indexOf(name)] ?? "0");
  return figure(`In${what}`) - figure(`Out${what}`);
}

function icmp6Count(text: string, what: string): number {
  const figure = (name: string): number =>
    Number(new RegExp(`^${name}\\s+(\\d+)`, "m").exec(text)?.[1] ?? "0");
  return figure(`Icmp6In${what}`) - figure(`Icmp6Out${what}`);
}

/** Files of host-local, each named by the address that a pod has. */
export async function countLeases(directory: string): Promise<number> {
  let count = 0;
  try {
    for await (const { name } of Deno.readDir(directory)) {
      if (/^[0-9a-f][0-9a-f.:]+$/i.test(name)) count++;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return count;
}
