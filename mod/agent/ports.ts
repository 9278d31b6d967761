/**
 * What the agent needs of the world, and no more. `mod/sys` has what fits,
 * `tests/fakes` has state machines that do; both pass `tests/contract/`.
 *
 * @module
 */

import type { Address, LinkAddress, Prefix } from "../core/address.ts";
import type { CniFound } from "../core/cni_check.ts";
import type { PrivateKey, PublicKey } from "../core/key.ts";
import type { ForwardDrop } from "../core/forward.ts";
import type { Table } from "../core/nftables.ts";
import type {
  Device,
  HostFacts,
  Link,
  Peer,
  PeerChange,
  Route,
} from "../core/state.ts";
import type { PeerTraffic } from "../core/traffic.ts";

/** One WireGuard device: the kernel's, or a userspace program's. */
export interface WireGuardPort {
  /** "kernel" makes its link by itself; "userspace" adopts the one of a running program. */
  readonly kind: "kernel" | "userspace";
  /** Rejects with a KernelError of ENODEV where the device is not there. */
  read(link: string): Promise<WireGuardState>;
  /** What each peer has sent and received. Rejects as `read()` does. */
  traffic(link: string): Promise<ReadonlyMap<PublicKey, PeerTraffic>>;
  setPrivateKey(link: string, key: PrivateKey): Promise<void>;
  /** Rejects with EADDRINUSE where another socket has it. */
  setListenPort(link: string, port: number): Promise<void>;
  /**
   * In this order; a `replaces` goes in the same message as its successor. Not
   * atomic: after an error some may have been applied.
   */
  changePeers(link: string, changes: readonly PeerChange[]): Promise<void>;
}

export interface WireGuardState {
  readonly device: Device;
  readonly peers: ReadonlyMap<PublicKey, Peer>;
  /** `false`: read while it changed (NLM_F_DUMP_INTR), several times over. */
  readonly complete: boolean;
}

/** Links, addresses and routes (rtnetlink). Idempotence is the planner's job. */
export interface RoutePort {
  /** `null`: no link of that name. */
  link(name: string): Promise<Link | null>;
  /** Kind "wireguard". EOPNOTSUPP where the kernel cannot; EEXIST where the name is taken. */
  createLink(name: string): Promise<void>;
  setLinkAlias(name: string, alias: string): Promise<void>;
  setLinkMtu(name: string, mtu: number): Promise<void>;
  setLinkUp(name: string): Promise<void>;
  /** Global-scope addresses on the link, both families. */
  addresses(link: string): Promise<readonly LinkAddress[]>;
  addAddress(link: string, address: LinkAddress): Promise<void>;
  removeAddress(link: string, address: LinkAddress): Promise<void>;
  /** Table main: all of ROUTE_PROTOCOL, and any other to one of these destinations. */
  routes(destinations: readonly Prefix[]): Promise<readonly Route[]>;
  addRoute(route: Route, options: { readonly replace: boolean }): Promise<void>;
  removeRoute(route: Route): Promise<void>;
  hostFacts(link: string): Promise<HostFacts>;
}

/** Files below /proc/sys. */
export interface SysctlPort {
  /** `undefined`: there is no such setting here. */
  read(name: string): Promise<string | undefined>;
  write(name: string, value: string): Promise<void>;
}

/** nf_tables, family inet. */
export interface TablePort {
  /** Whole, rules that are none of ours included. `null`: no such table, or no nf_tables. */
  read(name: string): Promise<Table | null>;
  /**
   * In place of what has its name: all of it at once, or nothing of it. Rejects
   * with ENOENT or EOPNOTSUPP where the kernel lacks a part of nf_tables.
   */
  replace(table: Table): Promise<void>;
  /** Of iptables, as far as it is nf_tables too. */
  forwardDrops(): Promise<readonly ForwardDrop[]>;
}

/** The CNI configuration that a container runtime would load. */
export interface ConflistPort {
  /** `null`: none, or one that would not survive the rules (not our link into /run). */
  read(file: string): Promise<string | null>;
  write(file: string, text: string): Promise<void>;
}

/** The directories of CNI, of which only one file is ours. */
export interface CniPort {
  look(wanted: {
    readonly file: string;
    readonly plugins: readonly string[];
    readonly binDirs: readonly string[];
    readonly leases: string;
  }): Promise<CniFound>;
}

/** Is somebody there? */
export interface ProbePort {
  /** One packet to that address; any answer counts, a refusal too. Never rejects. */
  probe(
    address: Address,
    timeoutMs: number,
  ): Promise<{
    readonly answered: boolean;
    /** Milliseconds. */
    readonly roundTripMs: number | undefined;
    /** Why there was no answer; "" where there was one. */
    readonly failure: string;
  }>;
}

export type { Clock } from "../core/clock.ts";
