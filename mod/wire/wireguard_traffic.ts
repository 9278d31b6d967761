/**
 * The counters in a dump of WireGuard's: what `getDevice()` of `wireguard.ts`
 * asks for, read for people instead of for a plan.
 *
 * @module
 */

import { type PublicKey, publicKeyFromBytes } from "../core/key.ts";
import type { PeerTraffic } from "../core/traffic.ts";
import type { Attributes } from "./attribute.ts";
import { genericAttributes } from "./genetlink.ts";
import { decodeSockaddr } from "./sockaddr.ts";
import {
  WGDEVICE_A_PEERS,
  WGPEER_A_ENDPOINT,
  WGPEER_A_PUBLIC_KEY,
} from "./wireguard.ts";

/** include/uapi/linux/wireguard.h, enum wgdevice_attribute */
const WGDEVICE_A_FWMARK = 7;

/** include/uapi/linux/wireguard.h, enum wgpeer_attribute */
const WGPEER_A_LAST_HANDSHAKE_TIME = 6;
const WGPEER_A_RX_BYTES = 7;
const WGPEER_A_TX_BYTES = 8;

/**
 * What one message of a WG_CMD_GET_DEVICE dump tells. A continued peer comes
 * again with its key alone: the first counts.
 *
 * @throws {SyntaxError} when it is no such message
 */
export function decodeTraffic(
  payload: Uint8Array,
): readonly (readonly [PublicKey, PeerTraffic])[] {
  return genericAttributes(payload).list(WGDEVICE_A_PEERS).map((peer) => {
    const key = peer.bytes(WGPEER_A_PUBLIC_KEY);
    if (key === undefined) {
      throw new SyntaxError("Cannot decode peer: it has no public key");
    }
    const endpoint = peer.bytes(WGPEER_A_ENDPOINT);
    return [publicKeyFromBytes(key), {
      endpoint: endpoint && decodeSockaddr(endpoint),
      lastHandshakeMs: handshakeTime(peer),
      receivedBytes: Number(peer.u64(WGPEER_A_RX_BYTES) ?? 0n),
      sentBytes: Number(peer.u64(WGPEER_A_TX_BYTES) ?? 0n),
    }];
  });
}

/** The mark of the packets that the device sends; 0: none, or it stood in another message. */
export function decodeMark(payload: Uint8Array): number {
  return genericAttributes(payload).u32(WGDEVICE_A_FWMARK) ?? 0;
}

/** By key; of several entries of one peer the first. */
export function mergeTraffic(
  parts: readonly (readonly (readonly [PublicKey, PeerTraffic])[])[],
): ReadonlyMap<PublicKey, PeerTraffic> {
  const all = new Map<PublicKey, PeerTraffic>();
  for (const [key, traffic] of parts.flat()) {
    if (!all.has(key)) all.set(key, traffic);
  }
  return all;
}

/** A `struct __kernel_timespec`: seconds and nanoseconds, 64 bits each; zero: never. */
function handshakeTime(peer: Attributes): number | undefined {
  const bytes = peer.bytes(WGPEER_A_LAST_HANDSHAKE_TIME);
  if (bytes === undefined) return undefined;
  if (bytes.length !== 16) {
    throw new SyntaxError(
      `Cannot decode handshake time: ${bytes.length} bytes, not 16`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  const seconds = Number(view.getBigInt64(0, true));
  const nanoseconds = Number(view.getBigInt64(8, true));
  const milliseconds = seconds * 1_000 + Math.floor(nanoseconds / 1_000_000);
  return milliseconds === 0 ? undefined : milliseconds;
}
