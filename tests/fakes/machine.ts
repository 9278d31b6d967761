/**
 * What the parts of the fake kernel share: the tables, and what one change in
 * one of them does to the others. Sources: net/ipv4/fib_frontend.c,
 * net/ipv6/addrconf.c, net/ipv6/route.c and drivers/net/wireguard of Linux 6.1.
 *
 * Invariant: no route without its link, no IPv4 route with a preferred source
 * that the machine does not have.
 *
 * @module
 */

import {
  type Address,
  type Family,
  familyOf,
  type LinkAddress,
  type Prefix,
  prefixAddress,
} from "../../mod/core/address.ts";
import { KernelError } from "../../mod/core/errors.ts";
import type { PublicKey } from "../../mod/core/key.ts";
import type { ForwardDrop } from "../../mod/core/forward.ts";
import type { Table } from "../../mod/core/nftables.ts";
import type { PeerTraffic } from "../../mod/core/traffic.ts";
import type { HostFacts, Peer, Route } from "../../mod/core/state.ts";

/** A refusal to come. */
export interface Fault {
  readonly errno: number;
  /** Operations of this kind to let pass first; 0 by default. */
  readonly skip?: number;
  /** How many then fail; 1 by default, `Infinity` for a broken machine. */
  readonly times?: number;
  /** Which operations: writes by default. `text` as in `FakeKernel.writes`. */
  readonly on?: (operation: FakeOperation) => boolean;
}

export interface FakeOperation {
  readonly kind: "read" | "write";
  /** "set-link-up clusternet", "set-peer KEY", "read device clusternet" … */
  readonly text: string;
}

export interface FakeLink {
  name: string;
  kind: string;
  alias: string;
  mtu: number;
  up: boolean;
  /** As given, host bits kept. */
  readonly addresses: Set<LinkAddress>;
  /** Only a WireGuard device has one. */
  readonly device: FakeDevice | undefined;
}

export interface FakeDevice {
  publicKey: PublicKey | null;
  listenPort: number;
  readonly peers: Map<PublicKey, Peer>;
  /** Of peers that tests have spoken for; the others have sent and received nothing. */
  readonly traffic: Map<PublicKey, PeerTraffic>;
  /** The trie of AllowedIPs: one owner for each prefix. */
  readonly owners: Map<Prefix, PublicKey>;
}

/** What the kernel was built with. */
export interface Abilities {
  readonly wireguard: boolean;
  readonly ipv6: boolean;
  readonly nftables: boolean;
}

interface ArmedFault {
  readonly errno: number;
  readonly on?: (operation: FakeOperation) => boolean;
  skip: number;
  times: number;
}

const NO_HOST: HostFacts = {
  addresses: [],
  defaultMtu: 1500,
  gateways: [],
  raLinks: [],
  ipv6: true,
};

export class FakeMachine {
  readonly links = new Map<string, FakeLink>();
  routes: Route[] = [];
  readonly sysctls = new Map<string, string>();
  /** nftables' of family inet. */
  readonly tables = new Map<string, Table>();
  /** What iptables has. */
  forwardDrops: readonly ForwardDrop[] = [];
  /** UDP ports that some other program has. */
  readonly busyPorts = new Set<number>();
  readonly can: Abilities;
  host: HostFacts;

  readonly writes: string[] = [];
  readonly faults: ArmedFault[] = [];
  readonly listeners = new Set<() => void>();

  constructor(
    can: Abilities,
    host: Partial<HostFacts> = {},
  ) {
    this.can = can;
    this.host = { ...NO_HOST, ...host, ipv6: can.ipv6 };
    this.sysctls.set("net/ipv4/ip_forward", "0");
    if (can.ipv6) this.sysctls.set("net/ipv6/conf/all/forwarding", "0");
    for (const name of ["all", "default"]) this.addConf(name);
    for (const { link } of this.host.addresses) this.addConf(link);
    for (const link of this.host.raLinks) this.addConf(link);
  }

  /** @throws {KernelError} when a fault strikes */
  enter(operation: FakeOperation): void {
    if (operation.kind === "write") this.writes.push(operation.text);
    const wants = (fault: ArmedFault): boolean =>
      fault.on?.(operation) ?? operation.kind === "write";
    const fault = this.faults.find((fault) => fault.times > 0 && wants(fault));
    if (fault === undefined) return;
    if (fault.skip > 0) fault.skip--;
    else {
      fault.times--;
      throw new KernelError(
        `Cannot ${operation.text}: injected error ${fault.errno}`,
        fault.errno,
      );
    }
  }

  changed(): void {
    for (const listener of this.listeners) listener();
  }

  /** @throws {KernelError} ENODEV */
  link(name: string): FakeLink {
    const link = this.links.get(name);
    if (link === undefined) refuse("find link", name, FAKE_ERRNO.ENODEV);
    return link;
  }

  addLink(name: string, kind: string): FakeLink {
    const device = kind === "wireguard" || kind === "tun"
      ? {
        publicKey: null,
        listenPort: 0,
        peers: new Map<PublicKey, Peer>(),
        traffic: new Map<PublicKey, PeerTraffic>(),
        owners: new Map<Prefix, PublicKey>(),
      }
      : undefined;
    const mtu = device === undefined ? 1500 : 1420;
    const addresses = new Set<LinkAddress>();
    const link = { name, kind, alias: "", mtu, up: false, addresses, device };
    this.links.set(name, link);
    this.addConf(name);
    return link;
  }

  deleteLink(link: FakeLink): void {
    this.takeDown(link);
    for (const address of [...link.addresses]) {
      this.deleteAddress(link, address);
    }
    this.links.delete(link.name);
    for (const name of this.sysctls.keys()) {
      if (name.includes(`/conf/${link.name}/`)) this.sysctls.delete(name);
    }
  }

  /** Its routes go, IPv6 addresses too (`keep_addr_on_down` is 0); IPv4 addresses stay. */
  takeDown(link: FakeLink): void {
    link.up = false;
    for (const address of [...link.addresses]) {
      if (familyOf(address) === 6) this.deleteAddress(link, address);
    }
    this.dropRoutes((route) => route.device === link.name);
  }

  /** `fib_sync_down_addr()`, `fib_disable_ip()` and `rt6_remove_prefsrc()`. */
  deleteAddress(link: FakeLink, address: LinkAddress): void {
    link.addresses.delete(address);
    const gone = prefixAddress(address);
    const family = familyOf(address);
    if (family === 4) {
      if (!this.isLocal(gone)) this.dropRoutes(({ source }) => source === gone);
      if (![...link.addresses].some((other) => familyOf(other) === 4)) {
        this.dropRoutes((route) => uses(route, link, 4));
      }
    } else if (!this.isLocal(gone)) {
      this.routes = this.routes.map((route) =>
        route.source === gone ? { ...route, source: undefined } : route
      );
    }
  }

  isLocal(address: Address): boolean {
    if (this.host.addresses.some((host) => host.address === address)) {
      return true;
    }
    for (const link of this.links.values()) {
      for (const prefix of link.addresses) {
        if (prefixAddress(prefix) === address) return true;
      }
    }
    return false;
  }

  dropRoutes(goes: (route: Route) => boolean): void {
    this.routes = this.routes.filter((route) => !goes(route));
  }

  private addConf(name: string): void {
    const set = (path: string, value: string): void => {
      if (!this.sysctls.has(path)) this.sysctls.set(path, value);
    };
    set(`net/ipv4/conf/${name}/forwarding`, "0");
    set(`net/ipv4/conf/${name}/rp_filter`, "0");
    if (!this.can.ipv6) return;
    set(`net/ipv6/conf/${name}/forwarding`, "0");
    set(`net/ipv6/conf/${name}/accept_ra`, "1");
  }
}

/** The errno values that only the fake needs by name come on top of core's. */
export const FAKE_ERRNO = {
  ENOENT: 2,
  ESRCH: 3,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
} as const;

/** @throws {KernelError} always */
export function refuse(
  action: string,
  object: string,
  errno: number,
): never {
  const [name = String(errno)] =
    Object.entries(FAKE_ERRNO).find(([, value]) => value === errno) ?? [];
  throw new KernelError(`Cannot ${action} ${object}: ${name}`, errno);
}

function uses(route: Route, link: FakeLink, family: Family): boolean {
  return route.device === link.name && familyOf(route.destination) === family;
}
