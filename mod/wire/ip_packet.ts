/**
 * What an IPv4 or IPv6 header says, and UDP behind it (RFC 791, 8200, 768).
 *
 * @module
 */

import { type Address, addressFromBytes } from "../core/address.ts";
import { viewOf } from "./netlink.ts";

const UDP = 17;

export interface IpPacket {
  readonly source: Address;
  readonly destination: Address;
  /** "UDP", "TCP", "ICMP" …, or the protocol's number. */
  readonly protocol: string;
  /** `undefined`: no UDP. */
  readonly udp: {
    readonly port: number;
    readonly payload: Uint8Array;
  } | undefined;
}

const PROTOCOLS: Readonly<Record<number, string>> = {
  1: "ICMP",
  6: "TCP",
  17: "UDP",
  58: "ICMPv6",
};

/** `undefined`: neither of the two, or cut short. */
export function decodeIpPacket(bytes: Uint8Array): IpPacket | undefined {
  const [first = 0] = bytes;
  const header = first >> 4 === 4 ? (first & 0xf) * 4 : 40;
  if (bytes.length < header || header < 20) return undefined;
  switch (first >> 4) {
    case 4:
      return packet(bytes, { protocol: bytes[9], at: 12, size: 4, header });
    case 6:
      return packet(bytes, { protocol: bytes[6], at: 8, size: 16, header });
    default:
      return undefined;
  }
}

function packet(bytes: Uint8Array, { protocol = 0, at, size, header }: {
  readonly protocol: number | undefined;
  /** Of the source, behind which the destination is. */
  readonly at: number;
  readonly size: number;
  readonly header: number;
}): IpPacket {
  return {
    source: addressFromBytes(bytes.subarray(at, at + size)),
    destination: addressFromBytes(bytes.subarray(at + size, at + size * 2)),
    protocol: PROTOCOLS[protocol] ?? String(protocol),
    udp: protocol === UDP && bytes.length >= header + 8
      ? {
        port: viewOf(bytes).getUint16(header + 2, false),
        payload: bytes.subarray(header + 8),
      }
      : undefined,
  };
}
