/**
 * AllowedIPs that leave a peer, where WireGuard has no word for it: they move to
 * a peer to throw away, which is then removed. That takes a prefix from whoever
 * has it, so what may be sent is decided here.
 *
 * @module
 */

import type { Prefix } from "./address.ts";
import type { PublicKey } from "./key.ts";
import type { Peer, PeerChange } from "./state.ts";

/** Does any of them take an AllowedIP from a peer? */
export function hasRemovals(changes: readonly PeerChange[]): boolean {
  return changes.some((change) =>
    change.kind === "set-peer" && change.removeAllowedIps.length > 0
  );
}

/**
 * The same changes without the removals that would rob another peer: the
 * throw-away peer takes a prefix from whoever has it.
 *
 * @param peers what the device holds now
 */
export function withoutRobbery(
  changes: readonly PeerChange[],
  peers: ReadonlyMap<PublicKey, Peer>,
): readonly PeerChange[] {
  const given = new Set<Prefix>();
  for (const change of changes) {
    if (change.kind !== "set-peer") continue;
    for (const prefix of change.addAllowedIps) given.add(prefix);
  }
  return changes.map((change) => {
    if (change.kind !== "set-peer" || change.removeAllowedIps.length === 0) {
      return change;
    }
    const owned = new Set(peers.get(change.publicKey)?.allowedIps);
    const removeAllowedIps = change.removeAllowedIps.filter((prefix) =>
      owned.has(prefix) && !given.has(prefix)
    );
    return { ...change, removeAllowedIps };
  });
}
