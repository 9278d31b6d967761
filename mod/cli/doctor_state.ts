/**
 * What should be in the kernel, what is, and the steps between the two: as the
 * agent itself would find them.
 *
 * @module
 */

import { observe, type World } from "../agent/observe.ts";
import type { Config } from "../core/config.ts";
import { desired } from "../core/desired.ts";
import { parsePublicKey } from "../core/key.ts";
import { PeerIndex } from "../core/peer_index.ts";
import { HANDSHAKE_MS } from "../core/peer_state.ts";
import { plan } from "../core/plan.ts";
import { isUnanswered } from "../core/traffic.ts";
import type { Facts, StateFacts, TrafficFacts } from "../doctor/facts.ts";
import { systemClock } from "../sys/clock.ts";
import { CniDirectories } from "../sys/cni_directories.ts";
import { ConflistFile } from "../sys/conflist_file.ts";
import { SERVICE_HOST } from "../sys/kube_access.ts";
import { Nftables } from "../sys/nftables.ts";
import { Rtnetlink } from "../sys/rtnetlink.ts";
import type { Shim } from "../sys/shim.ts";
import { ProcSysctl } from "../sys/sysctl.ts";
import { KernelWireGuard } from "../sys/wireguard_kernel.ts";
import { UserspaceWireGuard } from "../sys/wireguard_userspace.ts";

export interface WorldOptions {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly shim: Shim;
}

export function worldOf({ config, env, shim }: WorldOptions): World {
  return {
    wireGuard: new KernelWireGuard(shim),
    routes: new Rtnetlink(shim),
    sysctl: new ProcSysctl(shim, config.procSysNet),
    tables: new Nftables(shim),
    conflist: new ConflistFile({ shim }),
    cni: new CniDirectories({ inPod: env[SERVICE_HOST] !== undefined }),
  };
}

/** Of no private key. */
const NO_KEY = `${"A".repeat(42)}k=`;

export async function findState(
  { nodes, host, key, kernel }: Pick<
    Facts,
    "nodes" | "host" | "key" | "kernel"
  >,
  options: WorldOptions,
): Promise<StateFacts> {
  const { config } = options;
  const publicKey = parsePublicKey(key.publicKey ?? NO_KEY);
  const index = new PeerIndex(config, publicKey);
  index.replace(nodes);
  const wireGuard = wireGuardOf(kernel, options);
  const linkKind = isUserspace(kernel, config) ? "tun" : "wireguard";
  const { self } = index;
  const want = desired({
    config,
    publicKey,
    self,
    listed: true,
    peers: index.peers(),
    host,
    linkKind,
  });
  const have = await observe({ ...worldOf(options), wireGuard }, {
    link: config.interface,
    linkKind,
    clusterCidrs: config.clusterCidrs,
    sysctls: [...want.state.sysctls?.keys() ?? []],
    conflistFile: config.cniConfFile,
    peers: true,
  });
  const planned = plan(want.state, have, {
    link: config.interface,
    privateKeyFile: config.privateKeyFile,
    cniConfFile: config.cniConfFile,
    nodeOf: (one) => index.nodeOf(one),
  });
  return {
    want: want.state,
    have,
    ...planned,
    self: self ?? null,
    unused: unusedOf(index),
    names: new Map(
      [...have.peers?.keys() ?? []].map((
        one,
      ) => [one, index.nodeOf(one) ?? one]),
    ),
  };
}

/**
 * A peer that was sent to and has not answered yet is looked at again once
 * WireGuard has tried twice.
 */
export async function findTraffic(
  { kernel, state }: Pick<Facts, "kernel" | "state">,
  options: WorldOptions,
): Promise<TrafficFacts> {
  if (state.have.link === null) return { peers: new Map(), nowMs: Date.now() };
  const wireGuard = wireGuardOf(kernel, options);
  const look = (): Promise<TrafficFacts["peers"]> =>
    wireGuard.traffic(options.config.interface);
  const first = await look();
  if (![...first.values()].some(isUnanswered)) {
    return { peers: first, nowMs: Date.now() };
  }
  await systemClock.sleep(HANDSHAKE_MS);
  return { peers: await look(), nowMs: Date.now() };
}

function wireGuardOf(
  kernel: Facts["kernel"],
  { config, shim }: WorldOptions,
): KernelWireGuard | UserspaceWireGuard {
  return isUserspace(kernel, config)
    ? new UserspaceWireGuard()
    : new KernelWireGuard(shim);
}

function isUserspace(kernel: Facts["kernel"], config: Config): boolean {
  return kernel.userspace || config.backend === "userspace";
}

function unusedOf(index: PeerIndex): StateFacts["unused"] {
  return [...index.findings].flatMap(([node, { remarks, conflicts }]) => [
    ...remarks.map(({ code, text }) => ({ node, code, text })),
    ...conflicts.map(({ text }) => ({ node, code: "conflict", text })),
  ]);
}

export async function findSysctls(
  config: Config,
  shim: Shim,
): Promise<Facts["sysctls"]> {
  const sysctl = new ProcSysctl(shim, config.procSysNet);
  const found = new Map<string, string>();
  for (const name of sysctlNames(config.interface)) {
    const value = await sysctl.read(name);
    if (value !== undefined) found.set(name, value);
  }
  return found;
}

function sysctlNames(link: string): readonly string[] {
  return [
    "net/ipv4/ip_forward",
    `net/ipv4/conf/${link}/forwarding`,
    "net/ipv4/conf/all/rp_filter",
    `net/ipv4/conf/${link}/rp_filter`,
    `net/ipv4/conf/${link}/src_valid_mark`,
    "net/ipv6/conf/all/disable_ipv6",
    `net/ipv6/conf/${link}/disable_ipv6`,
    "net/netfilter/nf_conntrack_count",
    "net/netfilter/nf_conntrack_max",
  ];
}
