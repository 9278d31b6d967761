/**
 * Is it still the same tunnel? Links and sessions that begin anew may carry packets again soon:
 * what tells them apart are the link's number, the time of the latest handshake, and counters
 * that begin at zero.
 *
 * @module
 */

import type { LabNode } from "../lab/node.ts";

/** A peer of the link, as WireGuard counts it. */
export interface Session {
  /** Seconds since 1970; 0: none yet. */
  readonly handshake: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export interface Tunnel {
  /** The kernel's number of the link, which no other link of this boot gets. */
  readonly ifindex: number;
  /** By the peer's public key. */
  readonly sessions: ReadonlyMap<string, Session>;
}

export async function tunnelOf(node: LabNode): Promise<Tunnel> {
  const link = await node.space.must([
    ...["ip", "-o", "link", "show", "clusternet"],
  ]);
  const dump = await node.space.must(["wg", "show", "clusternet", "dump"]);
  const peers = dump.trim().split("\n").slice(1);
  return {
    ifindex: Number(link.split(":")[0]),
    sessions: new Map(peers.map((line) => {
      const [key = "", , , , handshake, received, sent] = line.split("\t");
      return [key, {
        handshake: Number(handshake),
        receivedBytes: Number(received),
        sentBytes: Number(sent),
      }];
    })),
  };
}

/** A session in use is renewed after so long, and not before: WireGuard's paper, 6.1. */
const REKEY_AFTER_SECONDS = 120;

/** What has begun anew between the two looks; empty: nothing. */
export function begunAnew(before: Tunnel, after: Tunnel): readonly string[] {
  const found: string[] = [];
  if (after.ifindex !== before.ifindex) {
    found.push(`the link: number ${after.ifindex}, not ${before.ifindex}`);
  }
  for (const [key, was] of before.sessions) {
    const is = after.sessions.get(key);
    if (is === undefined) {
      found.push(`${key}: no peer any more`);
      continue;
    }
    const age = is.handshake - was.handshake;
    // Both times are rounded.
    if (age !== 0 && age < REKEY_AFTER_SECONDS - 1) {
      found.push(`${key}: a handshake ${age} s after the one before`);
    }
    if (
      is.receivedBytes < was.receivedBytes || is.sentBytes < was.sentBytes
    ) found.push(`${key}: its counters`);
  }
  return found;
}
