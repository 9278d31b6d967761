/**
 * The userspace protocol as boringtun understands it (0.7.1, src/device/api.rs
 * and mod.rs), which differs from the specification:
 *
 * - a peer that exists cannot be changed: the program panics, and the tunnel is
 *   gone. It is removed and added anew, at the price of its session.
 * - `update_only` is EINVAL.
 * - `remove`, `endpoint` and `persistent_keepalive_interval` stay in force for
 *   the peers after; so removals have a request of their own, every peer says
 *   its keepalive, and those without an endpoint come first.
 * - an AllowedIP that moved is still listed with its first owner; so that one is
 *   made anew as well.
 *
 * What tells it from the others: its answers have `own_public_key`.
 *
 * @module
 */

import { PeerTable } from "../core/advance.ts";
import type { PublicKey } from "../core/key.ts";
import { type Peer, type PeerChange, samePeer } from "../core/state.ts";
import { addPeerLines, removePeerLines, setRequest } from "./wg_uapi.ts";

/** Peers of one transaction: no exchange then takes long. */
const PEERS_PER_REQUEST = 500;

export interface WholeDevice {
  readonly publicKey: PublicKey | null;
  readonly peers: ReadonlyMap<PublicKey, Peer>;
}

/** The transactions, in their order; peers that the changes leave as they are do not occur. */
export function wholePeerRequests(
  changes: readonly PeerChange[],
  device: WholeDevice,
): readonly string[] {
  const table = new PeerTable(device.peers);
  for (const change of changes) table.apply(change);
  const gone = [...device.peers.values()].filter((peer) =>
    !samePeer(peer, table.peers.get(peer.publicKey))
  );
  const made = [...table.peers.values()].filter((peer) =>
    peer.publicKey !== device.publicKey &&
    !samePeer(peer, device.peers.get(peer.publicKey))
  );
  const endpointless = made.filter(({ endpoint }) => endpoint === undefined);
  const others = made.filter(({ endpoint }) => endpoint !== undefined);
  return [
    ...requests(gone, (peer) => removePeerLines(peer.publicKey)),
    ...requests([...endpointless, ...others], addPeerLines),
  ];
}

function* requests(
  peers: readonly Peer[],
  lines: (peer: Peer) => readonly string[],
): Generator<string> {
  for (let at = 0; at < peers.length; at += PEERS_PER_REQUEST) {
    yield setRequest(peers.slice(at, at + PEERS_PER_REQUEST).flatMap(lines));
  }
}
