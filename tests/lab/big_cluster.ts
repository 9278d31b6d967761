/**
 * One real agent in a cluster of thousands: its API server in this process,
 * wireguard-go and the agent in a mount namespace of their own. This process is
 * in a network namespace of its own already (`in_namespace.ts`), so that all
 * reach each other over loopback. Everything dies with it.
 *
 * @module
 */

import { candidateFrom, ownFrom } from "../../mod/core/candidate.ts";
import { parsePrefix } from "../../mod/core/address.ts";
import { parsePublicKey, type PublicKey } from "../../mod/core/key.ts";
import { peerOf, settle } from "../../mod/core/ownership.ts";
import type { Peer } from "../../mod/core/state.ts";
import { UserspaceWireGuard } from "../../mod/sys/wireguard_userspace.ts";
import { nodeFromJson } from "../../mod/wire/node_json.ts";
import { ApiServer } from "../fakes/api_server.ts";
import type { JsonObject } from "../fakes/api_store.ts";
import {
  ANNOTATION,
  BIG_CLUSTER_CIDR,
  heartbeat,
  kubeletNode,
} from "../support/kubelet_node.ts";
import { type Figures, figuresOf } from "../support/process_figures.ts";
import { Child, SHELL } from "./exec.ts";
import { ip } from "./in_namespace.ts";
import { agentProgram } from "./lab.ts";
import { LINK } from "./node.ts";

/** The Node that the agent is on. */
const SELF = 1;
const LISTEN_PORT = 7838;
/** Updates between two pauses: a watcher that lags too far behind is cut off. */
const BATCH = 50;

/** Mounts that nobody else sees, then wireguard-go in the foreground. */
const HOLDER = `
set -eu
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/wireguard /run/lab/net.d
mkdir -m 700 /run/lab/state
: > /run/lab/resolv.conf
[ ! -f /etc/resolv.conf ] || mount --bind /run/lab/resolv.conf /etc/resolv.conf
exec wireguard-go -f ${LINK}
`;

export interface BigClusterOptions {
  readonly nodes: number;
  /** Instead of the lab's: for comparisons. */
  readonly agent?: readonly string[];
}

export class BigCluster implements AsyncDisposable {
  readonly server: ApiServer;
  readonly #holder: Child;
  readonly #wireGuard: UserspaceWireGuard;
  readonly #options: BigClusterOptions;
  #agent: Child | undefined;
  #beats = 0;

  private constructor(
    server: ApiServer,
    holder: Child,
    options: BigClusterOptions,
  ) {
    this.server = server;
    this.#holder = holder;
    this.#options = options;
    this.#wireGuard = new UserspaceWireGuard({
      directory: `/proc/${holder.pid}/root/run/wireguard`,
    });
  }

  /** Everything but the agent. */
  static async start(options: BigClusterOptions): Promise<BigCluster> {
    const self = kubeletNode(SELF, { publicKey: null });
    await ip("link", "set", "lo", "up");
    await ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth1");
    await ip("address", "add", "172.16.0.1/12", "dev", "eth0");
    await ip("link", "set", "eth0", "up");
    await ip("link", "set", "eth1", "up");
    const server = ApiServer.start({ history: 4_000 });
    server.store.put(nameOf(SELF), self);
    for (let n = SELF + 1; n <= options.nodes; n++) {
      server.store.put(nameOf(n), kubeletNode(n));
    }
    const holder = new Child("wireguard-go", [
      ...["unshare", "--mount", "--propagation", "private", "--"],
      ...[SHELL, "-c", HOLDER],
    ], { env: { WG_PROCESS_FOREGROUND: "1", LOG_LEVEL: "error" } });
    const cluster = new BigCluster(server, holder, options);
    try {
      await cluster.#answers();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAgent();
    await this.#holder.stop("SIGKILL");
    await this.server[Symbol.asyncDispose]();
    await ip("link", "del", "eth0");
  }

  get agent(): Child {
    if (this.#agent === undefined) throw new Error("Cannot find the agent");
    return this.#agent;
  }

  /**
   * @param env more of its environment
   * @returns milliseconds from its start until it said that it is ready
   */
  async startAgent(
    env: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    const begin = performance.now();
    this.#agent = new Child("the agent", [
      ...["nsenter", `--mount=/proc/${this.#holder.pid}/ns/mnt`, "--"],
      ...(this.#options.agent ?? agentProgram()),
      ...["run", "--node-name", nameOf(SELF), "--server", this.server.url],
      ...["--cluster-cidr", BIG_CLUSTER_CIDR, "--backend", "userspace"],
      ...["--listen-port", String(LISTEN_PORT)],
      ...["--private-key-file", "/run/lab/state/private.key"],
      ...["--cni-conf-file", "/run/lab/net.d/10-clusternet.conflist"],
    ], { env });
    await this.#agent.line(/ Ready: /, { withinMs: 60_000 });
    return performance.now() - begin;
  }

  async stopAgent(): Promise<void> {
    await this.#agent?.stop("SIGTERM");
    this.#agent = undefined;
  }

  figures(): Figures {
    return figuresOf(this.agent.pid);
  }

  /** Lines of the log by which WireGuard was changed, from that one on. */
  changesSince(line: number): readonly string[] {
    return this.agent.lines.slice(line).filter((text) =>
      / wg set |Changed [\d,]+ peers/.test(text)
    );
  }

  /** Kubelets report in turn that nothing has changed, as fast as the agent reads. */
  async heartbeats(count: number): Promise<void> {
    const { store } = this.server;
    let done = 0;
    while (done < count) {
      const time = new Date(Date.UTC(2026, 1, 1, 0, 0, ++this.#beats))
        .toISOString();
      for (const node of store.list().slice(0, count - done)) {
        const { name } = node.metadata as { readonly name: string };
        store.put(name, heartbeat(node, time));
        if (++done % BATCH === 0) await pause(2);
      }
    }
  }

  /** The Node moves to another address. @returns milliseconds until WireGuard knows */
  async move(n: number, internalIp: string): Promise<number> {
    const from = this.agent.lines.length;
    const begin = performance.now();
    this.server.store.put(nameOf(n), kubeletNode(n, { internalIp }));
    const told = new RegExp(` endpoint ${internalIp}:`.replaceAll(".", "\\."));
    await this.agent.line(told, { from, withinMs: 30_000 });
    return performance.now() - begin;
  }

  /** The peers that WireGuard has. */
  async peers(): Promise<ReadonlyMap<PublicKey, Peer>> {
    return (await this.#wireGuard.read(LINK)).peers;
  }

  /** The peers that the API server's Nodes ask for: by the specification, all at once. */
  model(): ReadonlyMap<PublicKey, Peer> {
    const config = {
      clusterCidrs: [parsePrefix(BIG_CLUSTER_CIDR)],
      listenPort: LISTEN_PORT,
    };
    const self = nodeFromJson(this.server.store.get(nameOf(SELF)), {
      annotation: ANNOTATION,
    });
    if (self === undefined) throw new Error("Cannot find the own Node");
    const own = ownFrom(self, parsePublicKey(self.publicKey ?? ""));
    const candidates = this.server.store.list().flatMap((object) => {
      const node = nodeFromJson(object, { annotation: ANNOTATION });
      if (node === undefined || node.name === self.name) return [];
      const judged = candidateFrom(node, own, config);
      return judged.kind === "candidate" ? [judged] : [];
    });
    const peers = [...settle(candidates).values()].flatMap((holding) =>
      peerOf(holding) ?? []
    );
    return new Map(peers.map((peer) => [peer.publicKey, peer]));
  }

  put(n: number, node: JsonObject): void {
    this.server.store.put(nameOf(n), node);
  }

  remove(n: number): void {
    this.server.store.delete(nameOf(n));
  }

  async #answers(): Promise<void> {
    for (let left = 200;; left--) {
      try {
        await this.#wireGuard.read(LINK);
        return;
      } catch (cause) {
        if (left === 0) {
          const said = this.#holder.lines.join(" ");
          throw new Error(`Cannot start wireguard-go: ${said}`, { cause });
        }
      }
      await pause(25);
    }
  }
}

export function nameOf(n: number): string {
  return `node-${n}`;
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
