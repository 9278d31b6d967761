/**
 * Who holds a UDP port, by /proc: the kernel's lists of sockets, and the files of
 * the processes that may be looked into.
 *
 * @module
 */

import { KernelError } from "../core/errors.ts";
import type { UdpFacts, UdpSocketFacts } from "../core/machine_facts.ts";
import { decodeUdpSockets } from "../wire/proc_udp.ts";
import { allPids } from "./doctor_processes.ts";
import { listProc, readProc, statProc } from "./proc_file.ts";
import { S_IFMT, S_IFSOCK, type Shim } from "./shim.ts";

/** What is bound to that port in this network namespace. */
export function findUdp(port: number, shim: Shim): readonly UdpFacts[] {
  return withHolders(
    listed(shim).filter(({ local }) => local.endsWith(`:${port}`)),
    shim,
  ).map(({ inode, program }) => ({ port, inode, program }));
}

/** All that there are in this network namespace. */
export function findAllUdp(shim: Shim): readonly UdpSocketFacts[] {
  return withHolders(listed(shim), shim);
}

type Listed = Omit<UdpSocketFacts, "program">;

function listed(shim: Shim): readonly Listed[] {
  return ["udp", "udp6"].flatMap((list) =>
    decodeUdpSockets(readProc(`/proc/self/net/${list}`, shim) ?? "")
  );
}

function withHolders(
  sockets: readonly Listed[],
  shim: Shim,
): readonly UdpSocketFacts[] {
  // Of the kernel's own, as WireGuard's is, it is 0.
  const inodes = new Set(sockets.map(({ inode }) => inode).filter(Boolean));
  const holders = inodes.size === 0
    ? new Map<bigint, string>()
    : holdersOf(inodes, shim);
  return sockets.map((socket) => ({
    ...socket,
    program: holders.get(socket.inode) ?? "",
  }));
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
