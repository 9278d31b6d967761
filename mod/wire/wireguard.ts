/**
 * The kernel's WireGuard, as generic netlink has it: one nest of peers in a
 * device, one nest of AllowedIPs in a peer.
 *
 *     device ─┬─ IFNAME, PRIVATE_KEY, LISTEN_PORT, …
 *             └─ PEERS ─ 0 ─┬─ PUBLIC_KEY, FLAGS, ENDPOINT, …
 *                           └─ ALLOWEDIPS ─ 0 ── FAMILY, IPADDR, CIDR_MASK
 *
 * No nest may be longer than 65,535 bytes: `wireguard_batch.ts` sees to that
 * when setting. A dump goes over as many messages as it needs, and a peer with
 * many AllowedIPs is continued in the next by its key alone: `mergeDump()`.
 *
 * @module
 */

import {
  addressBytes,
  familyBits,
  familyOf,
  makePrefix,
  type Prefix,
  prefixAddress,
  prefixBits,
} from "../core/address.ts";
import {
  type PrivateKey,
  type PublicKey,
  publicKeyBytes,
  publicKeyFromBytes,
} from "../core/key.ts";
import type { Device, Peer } from "../core/state.ts";
import type { Attributes, Writer } from "./attribute.ts";
import { decodeFamily, encodeFamily } from "./family.ts";
import {
  genericAttributes,
  genericRequest,
  GENL_ID_CTRL,
} from "./genetlink.ts";
import { decodeMessages, NLM_F_DUMP, type Request } from "./netlink.ts";
import { decodeSockaddr, encodeSockaddr } from "./sockaddr.ts";

/** include/uapi/linux/wireguard.h */
export const WG_GENL_NAME = "wireguard";
const WG_GENL_VERSION = 1;
const WG_CMD_GET_DEVICE = 0;
const WG_CMD_SET_DEVICE = 1;

/** include/uapi/linux/wireguard.h, enum wgdevice_attribute */
const WGDEVICE_A_IFNAME = 2;
const WGDEVICE_A_PRIVATE_KEY = 3;
const WGDEVICE_A_PUBLIC_KEY = 4;
const WGDEVICE_A_LISTEN_PORT = 6;
export const WGDEVICE_A_PEERS = 8;

/** include/uapi/linux/wireguard.h, enum wgpeer_flag */
export const WGPEER_F_REMOVE_ME = 1;
export const WGPEER_F_UPDATE_ONLY = 4;

/** include/uapi/linux/wireguard.h, enum wgpeer_attribute */
export const WGPEER_A_PUBLIC_KEY = 1;
const WGPEER_A_PRESHARED_KEY = 2;
const WGPEER_A_FLAGS = 3;
export const WGPEER_A_ENDPOINT = 4;
const WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL = 5;
const WGPEER_A_ALLOWEDIPS = 9;

/** include/uapi/linux/wireguard.h, enum wgallowedip_flag: Linux 6.16 and later */
const WGALLOWEDIP_F_REMOVE_ME = 1;

/** include/uapi/linux/wireguard.h, enum wgallowedip_attribute */
const WGALLOWEDIP_A_FAMILY = 1;
const WGALLOWEDIP_A_IPADDR = 2;
const WGALLOWEDIP_A_CIDR_MASK = 3;
const WGALLOWEDIP_A_FLAGS = 4;

const WG_KEY_LEN = 32;

/** One peer in a SET message. What is `undefined` stays as it is. */
export interface PeerEntry {
  readonly publicKey: PublicKey;
  /** WGPEER_F_… */
  readonly flags: number;
  readonly endpoint?: string | undefined;
  /** Seconds; 0 is off. */
  readonly keepaliveSeconds?: number | undefined;
  readonly clearPresharedKey?: boolean;
  readonly allowedIps?: readonly Prefix[];
  /** Take these AllowedIPs away instead of adding them. */
  readonly removing?: boolean;
}

/** What one message of a dump tells. */
export interface DumpPart {
  readonly publicKey: PublicKey | undefined;
  readonly listenPort: number | undefined;
  readonly peers: readonly Peer[];
}

/** Device and peers, in as many messages as it takes. ENODEV where there is no such device. */
export function getDevice(family: number, link: string): Request {
  const header = {
    command: WG_CMD_GET_DEVICE,
    version: WG_GENL_VERSION,
    flags: NLM_F_DUMP,
  };
  return genericRequest(family, header, (out) => {
    out.string(WGDEVICE_A_IFNAME, link);
  });
}

export function setPrivateKey(
  family: number,
  link: string,
  options: { readonly key: PrivateKey },
): Request {
  return setDevice(family, link, (out) => {
    const secret = options.key.expose();
    out.bytes(WGDEVICE_A_PRIVATE_KEY, secret);
    secret.fill(0);
  });
}

/** EADDRINUSE where the link is up and another socket has the port. */
export function setListenPort(
  family: number,
  link: string,
  options: { readonly port: number },
): Request {
  return setDevice(family, link, (out) => {
    out.u16(WGDEVICE_A_LISTEN_PORT, options.port);
  });
}

export function setPeers(
  family: number,
  link: string,
  options: { readonly entries: readonly PeerEntry[] },
): Request {
  return setDevice(family, link, (out) => {
    out.list(WGDEVICE_A_PEERS, options.entries, encodeEntry);
  });
}

function setDevice(
  family: number,
  link: string,
  fill: (out: Writer) => void,
): Request {
  const header = { command: WG_CMD_SET_DEVICE, version: WG_GENL_VERSION };
  return genericRequest(family, header, (out) => {
    out.string(WGDEVICE_A_IFNAME, link);
    fill(out);
  });
}

/** In the order of wg(8). */
function encodeEntry(out: Writer, entry: PeerEntry): void {
  const { endpoint, keepaliveSeconds, allowedIps = [] } = entry;
  out.bytes(WGPEER_A_PUBLIC_KEY, publicKeyBytes(entry.publicKey));
  if (entry.clearPresharedKey === true) {
    out.bytes(WGPEER_A_PRESHARED_KEY, new Uint8Array(WG_KEY_LEN));
  }
  if (endpoint !== undefined) {
    out.bytes(WGPEER_A_ENDPOINT, encodeSockaddr(endpoint));
  }
  if (keepaliveSeconds !== undefined) {
    out.u16(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, keepaliveSeconds);
  }
  if (entry.flags !== 0) out.u32(WGPEER_A_FLAGS, entry.flags);
  if (allowedIps.length === 0) return;
  out.list(WGPEER_A_ALLOWEDIPS, allowedIps, (ip, prefix) => {
    ip.u16(WGALLOWEDIP_A_FAMILY, encodeFamily(familyOf(prefix)))
      .bytes(WGALLOWEDIP_A_IPADDR, addressBytes(prefixAddress(prefix)))
      .u8(WGALLOWEDIP_A_CIDR_MASK, prefixBits(prefix));
    if (entry.removing === true) {
      ip.u32(WGALLOWEDIP_A_FLAGS, WGALLOWEDIP_F_REMOVE_ME);
    }
  });
}

/** @throws {SyntaxError} when it is no message of a WG_CMD_GET_DEVICE dump */
export function decodeDevice(payload: Uint8Array): DumpPart {
  const device = genericAttributes(payload);
  const key = device.bytes(WGDEVICE_A_PUBLIC_KEY);
  return {
    publicKey: key && publicKeyFromBytes(key),
    listenPort: device.u16(WGDEVICE_A_LISTEN_PORT),
    peers: device.list(WGDEVICE_A_PEERS).map(decodePeer),
  };
}

/** A continued peer has its key and more AllowedIPs: the first part counts for the rest. */
export function mergeDump(parts: readonly DumpPart[]): {
  readonly device: Device;
  readonly peers: ReadonlyMap<PublicKey, Peer>;
} {
  const peers = new Map<PublicKey, Peer>();
  for (const peer of parts.flatMap((part) => part.peers)) {
    const before = peers.get(peer.publicKey);
    peers.set(
      peer.publicKey,
      before === undefined
        ? peer
        : { ...before, allowedIps: [...before.allowedIps, ...peer.allowedIps] },
    );
  }
  for (const [key, peer] of peers) {
    const allowedIps = [...new Set(peer.allowedIps)].sort();
    peers.set(key, { ...peer, allowedIps });
  }
  const found = <T>(get: (part: DumpPart) => T | undefined): T | undefined =>
    parts.map(get).find((value) => value !== undefined);
  return {
    device: {
      publicKey: found((part) => part.publicKey) ?? null,
      listenPort: found((part) => part.listenPort) ?? 0,
    },
    peers,
  };
}

function decodePeer(peer: Attributes): Peer {
  const key = peer.bytes(WGPEER_A_PUBLIC_KEY);
  if (key === undefined) {
    throw new SyntaxError("Cannot decode peer: it has no public key");
  }
  const endpoint = peer.bytes(WGPEER_A_ENDPOINT);
  const preshared = peer.bytes(WGPEER_A_PRESHARED_KEY);
  return {
    publicKey: publicKeyFromBytes(key),
    endpoint: endpoint && decodeSockaddr(endpoint),
    allowedIps: peer.list(WGPEER_A_ALLOWEDIPS).flatMap(decodeAllowedIp),
    keepaliveSeconds: peer.u16(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL) ?? 0,
    presharedKey: preshared?.some((byte) => byte !== 0) ?? false,
  };
}

function decodeAllowedIp(ip: Attributes): readonly Prefix[] {
  const family = decodeFamily(ip.u16(WGALLOWEDIP_A_FAMILY) ?? 0);
  if (family === undefined) return [];
  const address = ip.bytes(WGALLOWEDIP_A_IPADDR);
  const bits = ip.u8(WGALLOWEDIP_A_CIDR_MASK) ?? familyBits(family);
  if (
    address?.length !== familyBits(family) / 8 || bits > familyBits(family)
  ) {
    throw new SyntaxError(
      `Cannot decode AllowedIP: ${address?.length} bytes and ${bits} bits`,
    );
  }
  return [makePrefix(address, bits)];
}

/**
 * A copy that may be printed: private and preshared keys are all 0xee.
 *
 * @param datagram of WireGuard's family; what cannot be read comes back empty
 */
export function redactSecrets(datagram: Uint8Array): Uint8Array {
  const copy = datagram.slice();
  try {
    for (const { type, payload } of decodeMessages(copy)) {
      // Acknowledgements are capped: they repeat no request.
      if (type <= GENL_ID_CTRL) continue;
      const device = genericAttributes(payload);
      device.bytes(WGDEVICE_A_PRIVATE_KEY)?.fill(0xee);
      for (const peer of device.list(WGDEVICE_A_PEERS)) {
        peer.bytes(WGPEER_A_PRESHARED_KEY)?.fill(0xee);
      }
    }
    return copy;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return new Uint8Array();
  }
}
