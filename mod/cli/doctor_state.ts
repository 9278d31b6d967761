/**
 * What should be in the kernel, what is, and the steps between the two: as the
 * agent itself would find them.
 *
 * @module
 */

import { observe, type World } from "../agent/observe.ts";
import type { Config } from "../core/config.ts";
import { desired } from "../core/desired.ts";
import { parsePublicKey, type PublicKey } from "../core/key.ts";
import { PeerIndex } from "../core/peer_index.ts";
import { plan } from "../core/plan.ts";
import type { Facts, StateFacts } from "../doctor/facts.ts";
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
  const { config, shim } = options;
  const publicKey = parsePublicKey(key.publicKey ?? NO_KEY);
  const index = new PeerIndex(config, publicKey);
  index.replace(nodes);
  const userspace = kernel.userspace || config.backend === "userspace";
  const wireGuard = userspace
    ? new UserspaceWireGuard()
    : new KernelWireGuard(shim);
  const linkKind = userspace ? "tun" : "wireguard";
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
  const traffic = have.link === null
    ? new Map()
    : await wireGuard.traffic(config.interface);
  return {
    want: want.state,
    have,
    ...planned,
    self: self ?? null,
    unused: unusedOf(index),
    traffic,
    names: new Map(
      [...traffic.keys()].map((one: PublicKey) => [
        one,
        index.nodeOf(one) ?? one,
      ]),
    ),
    nowMs: Date.now(),
  };
}

function unusedOf(index: PeerIndex): StateFacts["unused"] {
  return [...index.findings].flatMap(([node, { remarks, conflicts }]) => [
    ...remarks.map(({ code, text }) => ({ node, code, text })),
    ...conflicts.map(({ text }) => ({ node, code: "conflict", text })),
  ]);
}
