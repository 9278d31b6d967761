/**
 * Reads what is, in the same type as what should be.
 *
 * @module
 */

import type { Prefix } from "../core/address.ts";
import { ERRNO, KernelError } from "../core/errors.ts";
import { tableName } from "../core/nftables.ts";
import type { State } from "../core/state.ts";
import type {
  CniPort,
  ConflistPort,
  RoutePort,
  SysctlPort,
  TablePort,
  WireGuardPort,
} from "./ports.ts";

/** All that a turn reads and changes. */
export interface World {
  readonly wireGuard: WireGuardPort;
  readonly routes: RoutePort;
  readonly sysctl: SysctlPort;
  readonly tables: TablePort;
  readonly conflist: ConflistPort;
  readonly cni: CniPort;
}

/** What of it reads, and cannot change a thing. */
export interface Looks {
  readonly wireGuard: Pick<WireGuardPort, "kind" | "read">;
  readonly routes: Pick<
    RoutePort,
    "link" | "addresses" | "routes" | "hostFacts"
  >;
  readonly sysctl: Pick<SysctlPort, "read">;
  readonly tables: Pick<TablePort, "read">;
  readonly conflist: Pick<ConflistPort, "read">;
}

export interface ObserveOptions {
  readonly link: string;
  /** The kind that our link has; of another kind's there is no device to read. */
  readonly linkKind: string;
  readonly clusterCidrs: readonly Prefix[];
  /** Names of the settings to read. */
  readonly sysctls: readonly string[];
  /** "" where CNI is off. */
  readonly conflistFile: string;
  /** `false`: leave the device and its peers alone (a dump of 5,000 peers is not free). */
  readonly peers: boolean;
}

export async function observe(
  world: Looks,
  options: ObserveOptions,
): Promise<State> {
  const link = await world.routes.link(options.link);
  const [addresses, routes, sysctls, table, conflist] = await Promise.all([
    link === null ? [] : world.routes.addresses(options.link),
    world.routes.routes(options.clusterCidrs),
    readSysctls(world.sysctl, options.sysctls),
    world.tables.read(tableName(options.link)),
    options.conflistFile === ""
      ? undefined
      : world.conflist.read(options.conflistFile),
  ]);
  const rest: State = { link, addresses, routes, sysctls, table, conflist };
  if (!options.peers) return rest;
  return {
    ...rest,
    ...await readDevice(world, options.link, link?.kind === options.linkKind),
  };
}

async function readDevice(
  world: Looks,
  name: string,
  there: boolean,
): Promise<State> {
  const none: State = { device: null, peers: new Map(), peersComplete: true };
  if (!there) return none;
  try {
    const { device, peers, complete } = await world.wireGuard.read(name);
    return { device, peers, peersComplete: complete };
  } catch (error) {
    // It went between the two questions: the next event tells.
    if (error instanceof KernelError && error.errno === ERRNO.ENODEV) {
      return none;
    }
    throw error;
  }
}

async function readSysctls(
  port: Pick<SysctlPort, "read">,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>();
  for (const name of names) {
    const value = await port.read(name);
    if (value !== undefined) values.set(name, value);
  }
  return values;
}
