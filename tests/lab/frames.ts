/**
 * What one Ethernet frame is, as far as a proof of encryption must know: its
 * kind, and whether it shows an address of the cluster. Looks into ICMP errors,
 * neighbour messages, VLAN tags and tunnels without encryption as well.
 *
 * ```
 * ┌ 14 or 18 ─┬ 20… or 40… ─┬ 8… ───────┐
 * │ Ethernet  │ IPv4 / IPv6 │ UDP, TCP… │
 * └───────────┴─────────────┴───────────┘
 * ```
 *
 * @module
 */

import {
  type Address,
  addressFromBytes,
  contains,
  type Prefix,
} from "../../mod/core/address.ts";

export interface FrameRules {
  readonly clusterCidrs: readonly Prefix[];
  readonly wireguardPort: number;
  readonly apiPort: number;
}

export interface Frame {
  /** "WireGuard", "API", "ARP/ND", or what else it is: "UDP 53", "ICMP", "IPv6 MLD". */
  readonly kind: string;
  /** Addresses of the cluster's that stand in clear. */
  readonly podAddresses: readonly Address[];
}

/** include/uapi/linux/if_ether.h */
const ETH_P_IP = 0x0800;
const ETH_P_ARP = 0x0806;
const ETH_P_8021Q = 0x8100;
const ETH_P_IPV6 = 0x86dd;
/** include/uapi/linux/in.h */
const IPPROTO_ICMP = 1;
const IPPROTO_IPIP = 4;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_IPV6 = 41;
const IPPROTO_GRE = 47;
const IPPROTO_ICMPV6 = 58;

/** A view that reads zeros beyond its end: captures are cut. */
class Bytes {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  u8(at: number): number {
    return this.#bytes[at] ?? 0;
  }

  u16(at: number): number {
    return (this.u8(at) << 8) | this.u8(at + 1);
  }

  address(at: number, length: 4 | 16): Address[] {
    const bytes = this.#bytes.subarray(at, at + length);
    return bytes.length === length ? [addressFromBytes(bytes)] : [];
  }

  from(at: number): Bytes {
    return new Bytes(this.#bytes.subarray(at));
  }
}

interface Seen {
  readonly kind: string;
  readonly addresses: readonly Address[];
}

export function classifyFrame(frame: Uint8Array, rules: FrameRules): Frame {
  const { kind, addresses } = ethernet(new Bytes(frame), rules);
  const podAddresses = [...new Set(addresses)].filter((address) =>
    rules.clusterCidrs.some((cidr) => contains(cidr, address))
  );
  return { kind, podAddresses };
}

function ethernet(bytes: Bytes, rules: FrameRules): Seen {
  const tagged = bytes.u16(12) === ETH_P_8021Q;
  const type = bytes.u16(tagged ? 16 : 12);
  const inner = bytes.from(tagged ? 18 : 14);
  switch (type) {
    case ETH_P_IP:
      return ipv4(inner, rules);
    case ETH_P_IPV6:
      return ipv6(inner, rules);
    case ETH_P_ARP:
      return {
        kind: "ARP/ND",
        addresses: [...inner.address(14, 4), ...inner.address(24, 4)],
      };
    default:
      return { kind: `Ethernet 0x${type.toString(16)}`, addresses: [] };
  }
}

/** RFC 791, section 3.1 */
function ipv4(bytes: Bytes, rules: FrameRules): Seen {
  const header = (bytes.u8(0) & 0x0f) * 4;
  const first = (bytes.u16(6) & 0x1fff) === 0;
  const outer = [...bytes.address(12, 4), ...bytes.address(16, 4)];
  const inner = first
    ? transport(bytes.u8(9), bytes.from(header), rules)
    : { kind: "IPv4 fragment", addresses: [] };
  return { kind: inner.kind, addresses: [...outer, ...inner.addresses] };
}

/** RFC 8200, section 3; extension headers: section 4 */
function ipv6(bytes: Bytes, rules: FrameRules): Seen {
  const outer = [...bytes.address(8, 16), ...bytes.address(24, 16)];
  let next = bytes.u8(6);
  let at = 40;
  // Hop-by-hop, routing, destination options; at most a few, or it is odd.
  for (let count = 0; [0, 43, 60].includes(next) && count < 8; count++) {
    next = bytes.u8(at);
    at += (bytes.u8(at + 1) + 1) * 8;
  }
  const inner = transport(next, bytes.from(at), rules);
  return { kind: inner.kind, addresses: [...outer, ...inner.addresses] };
}

function transport(protocol: number, bytes: Bytes, rules: FrameRules): Seen {
  const ports = [bytes.u16(0), bytes.u16(2)];
  switch (protocol) {
    case IPPROTO_UDP:
      return ports.includes(rules.wireguardPort)
        ? { kind: "WireGuard", addresses: [] }
        : { kind: `UDP ${Math.min(...ports)}`, addresses: [] };
    case IPPROTO_TCP:
      return ports.includes(rules.apiPort)
        ? { kind: "API", addresses: [] }
        : { kind: `TCP ${Math.min(...ports)}`, addresses: [] };
    case IPPROTO_ICMP:
      // RFC 792: errors quote the packet that they are about.
      return [3, 4, 5, 11, 12].includes(bytes.u8(0))
        ? {
          kind: "ICMP error",
          addresses: ipv4(bytes.from(8), rules).addresses,
        }
        : { kind: "ICMP", addresses: [] };
    case IPPROTO_ICMPV6:
      return icmpv6(bytes, rules);
    case IPPROTO_IPIP:
      return { kind: "IPIP", addresses: ipv4(bytes, rules).addresses };
    case IPPROTO_IPV6:
      return { kind: "6in4", addresses: ipv6(bytes, rules).addresses };
    case IPPROTO_GRE:
      return { kind: "GRE", addresses: ipv4(bytes.from(4), rules).addresses };
    default:
      return { kind: `IP protocol ${protocol}`, addresses: [] };
  }
}

/** RFC 4443 (errors below 128), RFC 4861 (133–137), RFC 3810 (143) */
function icmpv6(bytes: Bytes, rules: FrameRules): Seen {
  const type = bytes.u8(0);
  if (type < 128) {
    return {
      kind: "ICMPv6 error",
      addresses: ipv6(bytes.from(8), rules).addresses,
    };
  }
  if (type === 135 || type === 136) {
    return { kind: "ARP/ND", addresses: bytes.address(8, 16) };
  }
  if (type >= 133 && type <= 137) return { kind: "ARP/ND", addresses: [] };
  return {
    kind: type === 143 || (type >= 130 && type <= 132) ? "IPv6 MLD" : "ICMPv6",
    addresses: [],
  };
}
