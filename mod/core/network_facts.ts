/**
 * A machine's network for somebody who reads it elsewhere: more than a plan or a
 * check asks for, with links by their names.
 *
 * @module
 */

import type { Address, Family, Prefix } from "./address.ts";
import type { PublicKey } from "./key.ts";
import type { LinkFacts } from "./machine_facts.ts";
import type { ForwardDrop } from "./forward.ts";
import type { Table } from "./nftables.ts";
import type { Device, Peer } from "./state.ts";
import type { PeerTraffic } from "./traffic.ts";

export interface NumberedLink extends LinkFacts {
  readonly index: number;
}

export interface AddressFacts {
  readonly link: string;
  readonly address: Address;
  /** Length of the on-link prefix. */
  readonly bits: number;
  /** RT_SCOPE_… */
  readonly scope: number;
  /** "tentative", "dadfailed", … */
  readonly marks: readonly string[];
}

export interface WholeRoute {
  readonly family: Family;
  /** "unicast", "local", "blackhole", … */
  readonly type: string;
  readonly destination: Prefix;
  readonly hops: readonly {
    /** "": none is named. */
    readonly device: string;
    readonly gateway: Address | undefined;
  }[];
  readonly table: string;
  /** RTPROT_… */
  readonly protocol: number;
  /** RT_SCOPE_… */
  readonly scope: number;
  readonly source: Address | undefined;
  readonly metric: number;
  /** "dead", "linkdown", "onlink". */
  readonly marks: readonly string[];
}

export interface WireGuardFacts {
  readonly link: string;
  readonly device: Device;
  /** Of the packets that it sends; 0: none; `undefined`: not asked for. */
  readonly mark: number | undefined;
  readonly peers: ReadonlyMap<PublicKey, Peer>;
  readonly traffic: ReadonlyMap<PublicKey, PeerTraffic>;
}

export interface FirewallFacts {
  /** As nft(8) writes them: "inet clusternet". */
  readonly tables: readonly {
    readonly name: string;
    readonly dormant: boolean;
  }[];
  /** Those that hang on a hook, each in its table. */
  readonly chains: readonly {
    readonly table: string;
    readonly name: string;
    readonly type: string;
    readonly hook: string;
    readonly priority: number;
    readonly policy: string;
  }[];
  /** The agent's; `null`: there is none. */
  readonly own: Table | null;
  /** iptables' chain FORWARD, where it drops by policy. */
  readonly drops: readonly ForwardDrop[];
  /** Tables of iptables that are none of nf_tables: "filter". */
  readonly legacy: readonly string[];
}
