/**
 * Takes a snapshot: asks the kernel what is, and sets nothing.
 *
 * @module
 */

import { sysctlNames, wantedBy, type Wants } from "../core/dry_run.ts";
import type { Config } from "../core/config.ts";
import type { NetworkConfig } from "../core/desired.ts";
import type { PublicKey } from "../core/key.ts";
import type { NodeRecord } from "../core/node.ts";
import { type Snapshot, SNAPSHOT_SCHEMA } from "../core/snapshot.ts";
import { VERSION } from "../core/version.ts";
import { type Looks, observe } from "./observe.ts";

export interface SnapshotOptions {
  readonly config: Config;
  /** `null`: there is no private key yet. */
  readonly publicKey: PublicKey | null;
  readonly world: Looks;
  readonly nodes: Iterable<NodeRecord>;
  /** Are these all Nodes? */
  readonly listed: boolean;
  /** Is it the agent itself that asks? */
  readonly running: boolean;
  /** Milliseconds since 1970. */
  wallClock(): number;
}

/** @throws {KernelError} where the kernel cannot be asked */
export async function takeSnapshot(
  options: SnapshotOptions,
): Promise<Snapshot> {
  const { config, listed, publicKey, running, world } = options;
  const linkKind = world.wireGuard.kind === "kernel" ? "wireguard" : "tun";
  const wants: Wants = {
    schema: SNAPSHOT_SCHEMA,
    version: VERSION,
    time: new Date(options.wallClock()).toISOString(),
    running,
    config: networkConfig(config),
    publicKey,
    linkKind,
    listed,
    nodes: [...options.nodes].map(withoutCondition),
    host: await world.routes.hostFacts(config.interface),
  };
  const observed = await observe(world, {
    link: config.interface,
    linkKind,
    clusterCidrs: config.clusterCidrs,
    sysctls: sysctlNames(wantedBy(wants).state),
    conflistFile: config.cniConfFile,
    peers: true,
  });
  return { ...wants, observed };
}

/** By name, one by one: whatever else a configuration comes to hold stays out. */
function networkConfig(config: Config): NetworkConfig {
  return {
    nodeName: config.nodeName,
    clusterCidrs: config.clusterCidrs,
    interface: config.interface,
    listenPort: config.listenPort,
    privateKeyFile: config.privateKeyFile,
    cniConfFile: config.cniConfFile,
    cniNetworkName: config.cniNetworkName,
    masquerade: config.masquerade,
    mtu: config.mtu,
  };
}

function withoutCondition(
  { networkCondition: _condition, ...node }: NodeRecord,
): NodeRecord {
  return node;
}
