/**
 * Changes of peers → messages, each within the kernel's limits.
 *
 * A change becomes units; a unit is never split over messages. A peer that is
 * replaced and its successor are one unit, and so is a detour over a throw-away
 * peer. All flags are the same whichever message a unit lands in, and no unit
 * replaces what another set: sending one again does no harm.
 *
 * @module
 */

import { familyOf, type Prefix } from "../core/address.ts";
import type { PublicKey } from "../core/key.ts";
import type { PeerChange } from "../core/state.ts";
import {
  type PeerEntry,
  WGPEER_F_REMOVE_ME,
  WGPEER_F_UPDATE_ONLY,
} from "./wireguard.ts";

/** Of one message, measured on Linux 6.1: far from where a nest's length wraps. */
export const MAX_PEERS = 300;
export const MAX_ALLOWED_IPS = 1_500;
/** Of the nest of peers; its length has 16 bits. */
export const MAX_BYTES = 60_000;

/** Of one peer in one message. */
const MAX_ENTRY_ALLOWED_IPS = 1_000;

/** How single AllowedIPs are taken away. */
export interface Removal {
  /** Does the kernel know WGALLOWEDIP_F_REMOVE_ME (Linux 6.16)? */
  readonly flag: boolean;
  /** Where not, prefixes go to this peer, which is then removed: nobody's key. */
  readonly spare: PublicKey;
}

/** In the order of the changes. */
export function batchChanges(
  changes: readonly PeerChange[],
  removal: Removal,
): readonly (readonly PeerEntry[])[] {
  const messages: PeerEntry[][] = [];
  let room = { peers: 0, ips: 0, bytes: 0 };
  for (const unit of changes.flatMap((change) => unitsOf(change, removal))) {
    const size = sizeOf(unit);
    const fits = room.peers >= size.peers && room.ips >= size.ips &&
      room.bytes >= size.bytes;
    const last = messages.at(-1);
    if (last !== undefined && fits) last.push(...unit);
    else {
      messages.push([...unit]);
      room = { peers: MAX_PEERS, ips: MAX_ALLOWED_IPS, bytes: MAX_BYTES };
    }
    room.peers -= size.peers;
    room.ips -= size.ips;
    room.bytes -= size.bytes;
  }
  return messages;
}

type Unit = readonly PeerEntry[];

function unitsOf(change: PeerChange, removal: Removal): readonly Unit[] {
  const { publicKey } = change;
  if (change.kind === "remove-peer") {
    return [[{ publicKey, flags: WGPEER_F_REMOVE_ME }]];
  }
  const removals = chunks(change.removeAllowedIps).map((allowedIps): Unit =>
    removal.flag
      ? [{
        publicKey,
        flags: WGPEER_F_UPDATE_ONLY,
        allowedIps,
        removing: true,
      }]
      : detour(removal.spare, allowedIps)
  );
  const [first = [], ...rest] = chunks(change.addAllowedIps);
  const main: PeerEntry = {
    publicKey,
    flags: change.create ? 0 : WGPEER_F_UPDATE_ONLY,
    endpoint: change.endpoint,
    keepaliveSeconds: change.keepaliveSeconds,
    clearPresharedKey: change.clearPresharedKey,
    allowedIps: first,
  };
  const more = rest.map((allowedIps): Unit => [
    { publicKey, flags: WGPEER_F_UPDATE_ONLY, allowedIps },
  ]);
  const replaced: Unit = change.replaces === undefined
    ? []
    : [{ publicKey: change.replaces, flags: WGPEER_F_REMOVE_ME }];
  return [...removals, [...replaced, main], ...more];
}

/** An AllowedIP given to another peer leaves the first; gone with that one, it is nobody's. */
function detour(spare: PublicKey, allowedIps: readonly Prefix[]): Unit {
  return [
    { publicKey: spare, flags: 0, allowedIps },
    { publicKey: spare, flags: WGPEER_F_REMOVE_ME },
  ];
}

function chunks(prefixes: readonly Prefix[]): readonly (readonly Prefix[])[] {
  const parts: Prefix[][] = [];
  for (let at = 0; at < prefixes.length; at += MAX_ENTRY_ALLOWED_IPS) {
    parts.push(prefixes.slice(at, at + MAX_ENTRY_ALLOWED_IPS));
  }
  return parts;
}

/** Bytes are the most that it can be: every attribute with its header and padding. */
function sizeOf(
  unit: Unit,
): { readonly peers: number; readonly ips: number; readonly bytes: number } {
  let ips = 0;
  let bytes = 0;
  for (const { allowedIps = [] } of unit) {
    // nest 4, key 36, flags 8, preshared key 36, endpoint 32, keepalive 8, nest 4
    bytes += 128;
    ips += allowedIps.length;
    for (const prefix of allowedIps) {
      // nest 4, family 8, address, mask 8, flags 8
      bytes += familyOf(prefix) === 4 ? 36 : 48;
    }
  }
  return { peers: unit.length, ips, bytes };
}
