/**
 * Who holds a UDP port, by /proc: the kernel's lists of sockets, and the files of
 * the processes that may be looked into.
 *
 * @module
 */

import { KernelError } from "../core/errors.ts";
import type { UdpFacts } from "../core/machine_facts.ts";
import { allPids } from "./doctor_processes.ts";
import { listProc, readProc, statProc } from "./proc_file.ts";
import { S_IFMT, S_IFSOCK, type Shim } from "./shim.ts";

/** What is bound to that port in this network namespace. */
export function findUdp(port: number, shim: Shim): readonly UdpFacts[] {
  const inodes = ["udp", "udp6"].flatMap((list) =>
    boundTo(port, readProc(`/proc/self/net/${list}`, shim) ?? "")
  );
  const holders = inodes.length === 0
    ? new Map<bigint, string>()
    : holdersOf(new Set(inodes), shim);
  return inodes.map((inode) => ({
    port,
    inode,
    program: holders.get(inode) ?? "",
  }));
}

/** Inodes of sockets (net/ipv4/udp.c, udp4_format_sock): `sl local_address …`. */
export function boundTo(port: number, list: string): readonly bigint[] {
  return list.split("\n").slice(1).flatMap((line) => {
    const [, local = "", , , , , , , , inode = ""] = line.trim().split(/\s+/);
    const own = Number.parseInt(local.split(":")[1] ?? "", 16);
    return own === port && /^\d+$/.test(inode) ? [BigInt(inode)] : [];
  });
}

/** Names of the programs, as the kernel keeps them: 15 characters. */
function holdersOf(
  inodes: ReadonlySet<bigint>,
  shim: Shim,
): ReadonlyMap<bigint, string> {
  const found = new Map<bigint, string>();
  for (const pid of allPids(shim)) {
    for (const file of listProc(`/proc/${pid}/fd`, shim) ?? []) {
      const inode = socketAt(`/proc/${pid}/fd/${file}`, shim);
      if (inode === undefined || !inodes.has(inode)) continue;
      const name = readProc(`/proc/${pid}/comm`, shim) ?? "";
      found.set(inode, name.trimEnd());
    }
  }
  return found;
}

/** `undefined`: it is none, or it has gone. */
function socketAt(path: string, shim: Shim): bigint | undefined {
  try {
    const { ino, mode } = statProc(path, shim);
    return (mode & S_IFMT) === S_IFSOCK ? ino : undefined;
  } catch (error) {
    if (error instanceof KernelError) return undefined;
    throw error;
  }
}
