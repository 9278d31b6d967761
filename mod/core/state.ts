/**
 * The one type for what should be and what is: `desired()` makes it from Nodes,
 * `observe()` reads it from the kernel, `plan()` compares the two.
 *
 * In every field `undefined` means "nothing is said about it": the planner then
 * leaves that part alone. `null` means "it is not there". So a turn before the
 * first list says nothing about peers, and one about three Nodes speaks of
 * three peers only.
 *
 * @module
 */

import type { Address, LinkAddress, Prefix } from "./address.ts";
import type { PublicKey } from "./key.ts";
import type { Table } from "./nftables.ts";
import { sameList } from "./node.ts";

/** `rtm_protocol` of the routes that are ours (include/uapi/linux/rtnetlink.h leaves 78 free). */
export const ROUTE_PROTOCOL = 78;

/** The worst metric there is: any other route to the same prefix wins. */
export const WORST_METRIC = 0xffff_ffff;

/** `ifalias` of the link that is ours. */
export const LINK_ALIAS = "clusternet";

export interface Link {
  /** `IFLA_INFO_KIND`: "wireguard", or "tun" where a userspace program holds it. */
  readonly kind: string;
  /** "" where none is set. */
  readonly alias: string;
  /** Bytes; `undefined` in a desired state: not known yet. */
  readonly mtu: number | undefined;
  /** IFF_UP. */
  readonly up: boolean;
}

export interface Device {
  /** `null`: no private key is set. */
  readonly publicKey: PublicKey | null;
  readonly listenPort: number;
}

export interface Peer {
  readonly publicKey: PublicKey;
  /** `address:port` as `endpointText()` spells it; `undefined`: the kernel knows none. */
  readonly endpoint: string | undefined;
  /** Sorted as text, without duplicates. */
  readonly allowedIps: readonly Prefix[];
  /** Seconds between keepalives; 0 is off. */
  readonly keepaliveSeconds: number;
  /** Is a preshared key set? Never the key itself. */
  readonly presharedKey: boolean;
}

export function samePeer(a: Peer | undefined, b: Peer | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.publicKey === b.publicKey && a.endpoint === b.endpoint &&
    a.keepaliveSeconds === b.keepaliveSeconds &&
    a.presharedKey === b.presharedKey && sameList(a.allowedIps, b.allowedIps);
}

/** A route in table main. Its key is family, destination and metric. */
export interface Route {
  readonly destination: Prefix;
  readonly type: "unicast" | "unreachable" | "other";
  /** Name of the output link; `undefined` for unreachable ones. */
  readonly device: string | undefined;
  /** Preferred source address. */
  readonly source: Address | undefined;
  readonly metric: number;
  /** `rtm_protocol`; only ROUTE_PROTOCOL is ours. */
  readonly protocol: number;
}

/** Would one take the place of the other (NLM_F_REPLACE)? */
export function sameRouteKey(a: Route, b: Route): boolean {
  return a.destination === b.destination && a.metric === b.metric;
}

export function sameRoute(a: Route, b: Route): boolean {
  return sameRouteKey(a, b) && a.type === b.type && a.device === b.device &&
    a.source === b.source && a.protocol === b.protocol;
}

export interface State {
  readonly link?: Link | null | undefined;
  readonly device?: Device | null | undefined;
  /** Global-scope addresses on our link (as /32, /128 where they are ours). */
  readonly addresses?: readonly LinkAddress[] | undefined;
  /** Observed: our protocol's, and foreign ones with the key of one of ours. */
  readonly routes?: readonly Route[] | undefined;
  readonly peers?: ReadonlyMap<PublicKey, Peer> | undefined;
  /** `false`: the dump was interrupted; good for adding and repairing, never for removing. */
  readonly peersComplete?: boolean | undefined;
  /** Below /proc/sys, like "net/ipv4/ip_forward" → "1". */
  readonly sysctls?: ReadonlyMap<string, string> | undefined;
  /** Our nftables table; `null`: there is none. */
  readonly table?: Table | null | undefined;
  /** Text of the CNI conflist in force; `null`: none that a runtime would load. */
  readonly conflist?: string | null | undefined;
}

/** A change of one peer; each is one indivisible part of a message to WireGuard. */
export type PeerChange =
  | {
    readonly kind: "set-peer";
    readonly publicKey: PublicKey;
    /** `true`: it must not exist yet; `false`: change it only if it does (WGPEER_F_UPDATE_ONLY). */
    readonly create: boolean;
    /** `undefined`: leave as it is. */
    readonly endpoint: string | undefined;
    readonly addAllowedIps: readonly Prefix[];
    /** Not to be moved to another peer by the same batch. */
    readonly removeAllowedIps: readonly Prefix[];
    /** `undefined`: leave as it is. */
    readonly keepaliveSeconds: number | undefined;
    readonly clearPresharedKey: boolean;
    /** The peer that goes in the same message, directly before. */
    readonly replaces: PublicKey | undefined;
    /** The Node's name, for people. */
    readonly node: string;
  }
  | {
    readonly kind: "remove-peer";
    readonly publicKey: PublicKey;
    /** Why, for people: "Node n3 is gone". */
    readonly reason: string;
  };

/** One thing to do. `stepText()` prints it as the command that a person would type. */
export type Step =
  | { readonly kind: "create-link"; readonly link: string }
  | {
    readonly kind: "set-link-alias";
    readonly link: string;
    readonly alias: string;
  }
  | {
    readonly kind: "set-link-mtu";
    readonly link: string;
    readonly mtu: number;
  }
  | { readonly kind: "set-link-up"; readonly link: string }
  | {
    readonly kind: "set-private-key";
    readonly link: string;
    readonly file: string;
  }
  | {
    readonly kind: "set-listen-port";
    readonly link: string;
    readonly port: number;
  }
  | {
    readonly kind: "add-address";
    readonly link: string;
    readonly address: LinkAddress;
  }
  | {
    readonly kind: "remove-address";
    readonly link: string;
    readonly address: LinkAddress;
  }
  /** `replace`: one of ours with the same key is there (NLM_F_REPLACE, never on a foreign one). */
  | {
    readonly kind: "add-route";
    readonly route: Route;
    readonly replace: boolean;
  }
  | { readonly kind: "remove-route"; readonly route: Route }
  | {
    readonly kind: "peer";
    readonly link: string;
    readonly change: PeerChange;
  }
  | {
    readonly kind: "set-sysctl";
    readonly name: string;
    readonly value: string;
  }
  /** In place of what has its name, in one transaction. */
  | { readonly kind: "set-table"; readonly table: Table }
  | {
    readonly kind: "write-conflist";
    readonly file: string;
    readonly text: string;
  };

/** What the machine itself gives, and the desired state depends upon. */
export interface HostFacts {
  /** Every address with the link that has it; ours excepted. */
  readonly addresses: readonly HostAddress[];
  /** MTU in bytes of the link that the default route uses; `undefined`: no default route. */
  readonly defaultMtu: number | undefined;
  readonly gateways: readonly Address[];
  /** Links that hold a default route learnt from router advertisements (`proto ra`). */
  readonly raLinks: readonly string[];
  /** Is IPv6 there at all (`ipv6.disable=1` takes it away)? */
  readonly ipv6: boolean;
}

export interface HostAddress {
  readonly link: string;
  /** `IFLA_INFO_KIND`, "" for hardware. */
  readonly kind: string;
  readonly address: Address;
  /** Length of the on-link prefix. */
  readonly bits: number;
  readonly mtu: number;
}
