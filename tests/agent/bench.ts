/**
 * An agent's inner part on the fake kernel: what the tests of the loop share.
 *
 * @module
 */

import { Nodes } from "../../mod/agent/nodes.ts";
import { Reconciler } from "../../mod/agent/reconcile.ts";
import { parsePrefix } from "../../mod/core/address.ts";
import { type CniFound, NOTHING_FOUND } from "../../mod/core/cni_check.ts";
import type { Config } from "../../mod/core/config.ts";
import {
  derivePublicKey,
  PrivateKey,
  type PublicKey,
  publicKeyFromBytes,
} from "../../mod/core/key.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import { PeerIndex } from "../../mod/core/peer_index.ts";
import { type Tracer, UNTRACED } from "../../mod/core/trace.ts";
import { FakeKernel, type FakeKernelOptions } from "../fakes/kernel.ts";
import { MemoryLog } from "../support/logs.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

export const CONFIG: Config = {
  nodeName: "n1",
  kubeconfig: undefined,
  server: undefined,
  clusterCidrs: [parsePrefix("10.0.0.0/16")],
  interface: "clusternet",
  listenPort: 7838,
  privateKeyFile: "/var/lib/clusternet/private.key",
  annotation: "clusternet.dev/wg-pubkey",
  cniConfFile: "/etc/cni/net.d/10-clusternet.conflist",
  cniBinDirs: ["/opt/cni/bin"],
  cniNetworkName: "k8s-pod-network",
  nodeCondition: true,
  events: true,
  masquerade: true,
  mtu: "auto",
  backend: "auto",
  procSysNet: "/proc/sys/net",
  httpAddress: undefined,
  metricsBindAddress: undefined,
  metricsPerPeer: "auto",
  once: false,
  logFormat: "text",
  logLevel: "info",
};

/** Conflists in memory: what is written can be read. */
export class FakeConflist {
  readonly files = new Map<string, string>();
  writes = 0;

  read(file: string): Promise<string | null> {
    return Promise.resolve(this.files.get(file) ?? null);
  }

  write(file: string, text: string): Promise<void> {
    this.writes++;
    this.files.set(file, text);
    return Promise.resolve();
  }
}

/** The directories of CNI, as a test has them. */
export class FakeCni {
  found: CniFound = NOTHING_FOUND;
  looks = 0;

  look(): Promise<CniFound> {
    this.looks++;
    return Promise.resolve(this.found);
  }
}

export function keyOf(number: number): PublicKey {
  const bytes = new Uint8Array(32).fill(7);
  new DataView(bytes.buffer).setUint32(0, number);
  return publicKeyFromBytes(bytes);
}

/** Node nK with 192.168.0.K, 10.0.K.0/24 and a key of its own. */
export function node(
  number: number,
  change: Partial<NodeRecord> = {},
): NodeRecord {
  return {
    name: `n${number}`,
    uid: `uid-${number}`,
    created: `2026-01-01T00:00:${String(number % 60).padStart(2, "0")}Z`,
    publicKey: keyOf(number),
    internalIps: [`192.168.${number >> 8}.${number & 255}`],
    podCidrs: [`10.0.${number}.0/24`],
    ...change,
  };
}

export interface Bench {
  readonly kernel: FakeKernel;
  readonly conflist: FakeConflist;
  readonly cni: FakeCni;
  readonly clock: VirtualClock;
  readonly nodes: Nodes;
  readonly log: MemoryLog;
  readonly publicKey: PublicKey;
  readonly reconciler: Reconciler;
  readonly rings: string[];
  /** A new process on the same kernel. */
  restart(): Promise<Bench>;
}

const SECRET = new Uint8Array(32).fill(9);

export async function makeBench(
  options: FakeKernelOptions & {
    readonly config?: Partial<Config>;
    readonly tracer?: Tracer;
  } = {},
  kernel: FakeKernel = new FakeKernel(options),
  conflist: FakeConflist = new FakeConflist(),
): Promise<Bench> {
  const config = { ...CONFIG, ...options.config };
  const privateKey = PrivateKey.fromBytes(SECRET);
  const publicKey = await derivePublicKey(privateKey);
  const rings: string[] = [];
  const nodes = new Nodes({
    index: new PeerIndex(config, publicKey),
    ring: () => rings.push("node"),
    ringSelf: () => rings.push("self"),
  });
  const log = new MemoryLog();
  const cni = new FakeCni();
  const clock = new VirtualClock();
  const reconciler = new Reconciler({
    config,
    clock,
    privateKey,
    publicKey,
    nodes,
    log,
    tracer: options.tracer ?? UNTRACED,
    world: {
      wireGuard: kernel.wireguard,
      routes: kernel.routes,
      sysctl: kernel.sysctl,
      tables: kernel.tables,
      conflist,
      cni,
    },
  });
  return {
    kernel,
    conflist,
    cni,
    clock,
    nodes,
    log,
    publicKey,
    reconciler,
    rings,
    restart: () => makeBench(options, kernel, conflist),
  };
}

/** Our own Node n1 and others, as a first complete list. */
export function listed(bench: Bench, count: number): void {
  const own = node(1, { publicKey: bench.publicKey });
  const others = Array.from({ length: count - 1 }, (_, at) => node(at + 2));
  bench.nodes.replace([own, ...others]);
}
