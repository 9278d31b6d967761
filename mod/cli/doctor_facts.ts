/**
 * Gathers what checks ask for, each part once, with a deadline of its own: one
 * that hangs costs only the checks that need it.
 *
 * @module
 */

import { dirname } from "node:path";
import { observe, type World } from "../agent/observe.ts";
import { firstAddress } from "../core/address.ts";
import { CNI_PLUGINS, LEASES_DIRECTORY } from "../core/cni.ts";
import type { Config } from "../core/config.ts";
import { desired, OVERHEAD } from "../core/desired.ts";
import { errorText } from "../core/errors.ts";
import { parsePublicKey, type PublicKey } from "../core/key.ts";
import { PeerIndex } from "../core/peer_index.ts";
import { plan } from "../core/plan.ts";
import type {
  Facts,
  Gathered,
  Part,
  PathFacts,
  Probed,
  ProxyFacts,
  StateFacts,
} from "../doctor/facts.ts";
import { valueOf } from "../doctor/checks_cluster.ts";
import { askStatus } from "../sys/agent_socket.ts";
import { systemClock as clock } from "../sys/clock.ts";
import { CniDirectories } from "../sys/cni_directories.ts";
import { ConflistFile } from "../sys/conflist_file.ts";
import { DoctorApi } from "../sys/doctor_api.ts";
import {
  countLeases,
  findDenials,
  findDisk,
  findFiles,
  findKey,
  findManagers,
  findUdp,
  unreachableCount,
} from "../sys/doctor_machine.ts";
import {
  droppingChains,
  findLinks,
  findRoutes,
  findRules,
  iptablesForward,
  largestThatComesBack,
  pingComesBack,
} from "../sys/doctor_network.ts";
import type { FoundProcesses } from "../sys/doctor_processes.ts";
import { SERVICE_HOST } from "../sys/kube_access.ts";
import { openKubeAccess } from "../sys/kube_auth.ts";
import { Nftables } from "../sys/nftables.ts";
import { readProc } from "../sys/proc_file.ts";
import { TcpProbe } from "../sys/probe.ts";
import { Rtnetlink } from "../sys/rtnetlink.ts";
import type { Shim } from "../sys/shim.ts";
import { ProcSysctl } from "../sys/sysctl.ts";
import { KernelWireGuard } from "../sys/wireguard_kernel.ts";
import { UserspaceWireGuard } from "../sys/wireguard_userspace.ts";

/** Milliseconds for one part; one that is made of others has its own. */
const PART_MS = 20_000;

/** Bytes of a packet that every path carries. */
const SMALL = 84;

/** Seconds for the first answer: a handshake that is lost is sent again after 5. */
const FIRST_SECONDS = 6;

/** Peers whose path is measured: a big cluster is not flooded. */
const PATHS = 8;

export interface GatherOptions {
  readonly config: Config;
  /** Of the agent, where one runs: its kubeconfig is named there. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly processes: FoundProcesses;
  readonly shim: Shim;
}

export class Gatherer {
  readonly #options: GatherOptions;
  readonly #parts = new Map<keyof Facts, Promise<Part<unknown>>>();
  readonly #over = new AbortController();

  constructor(options: GatherOptions) {
    this.#options = options;
  }

  async gather(names: Iterable<keyof Facts>): Promise<Gathered> {
    const entries = [...new Set(names)].map(async (name) =>
      [name, await this.#part(name)] as const
    );
    const facts = Object.fromEntries(await Promise.all(entries));
    this.#over.abort();
    return facts as Gathered;
  }

  #part(name: keyof Facts): Promise<Part<unknown>> {
    const known = this.#parts.get(name);
    if (known !== undefined) return known;
    const made = this.#attempt(name);
    this.#parts.set(name, made);
    return made;
  }

  async #attempt(name: keyof Facts): Promise<Part<unknown>> {
    const late = new AbortController();
    const deadline = clock.sleep(PART_MS, late.signal).then(() => {
      if (late.signal.aborted) return { why: "" };
      return { why: `not known within ${PART_MS / 1_000} s` };
    });
    const value = this.#value(name).then(
      (value) => ({ value }),
      (error) => ({ why: errorText(error) }),
    );
    const part = await Promise.race([value, deadline]);
    late.abort();
    return part;
  }

  /** Another part. @throws {Error} why there is none */
  async #need<Name extends keyof Facts>(name: Name): Promise<Facts[Name]> {
    const part = await this.#part(name) as Part<Facts[Name]>;
    if ("value" in part) return part.value;
    throw new Error(part.why);
  }

  #value(name: keyof Facts): Promise<Facts[keyof Facts]> {
    const { config, processes, shim } = this.#options;
    const [agent] = processes.agents;
    switch (name) {
      case "config":
        return Promise.resolve(config);
      case "processes":
        return Promise.resolve(processes);
      case "agent":
        return askStatus({ link: config.interface });
      case "probed":
        return this.#probed();
      case "kernel":
        return this.#kernel();
      case "key":
        return findKey(config.privateKeyFile);
      case "disk":
        return findDisk(dirname(config.privateKeyFile), shim);
      case "state":
        return this.#state();
      case "nodes":
        return this.#api().then((api) => api.nodes(config.annotation));
      case "host":
        return new Rtnetlink(shim).hostFacts(config.interface);
      case "links":
        return findLinks();
      case "routes":
        return findRoutes();
      case "rules":
        return findRules();
      case "sysctls":
        return this.#sysctls();
      case "firewall":
        return this.#firewall();
      case "cni":
        return this.#world().cni.look({
          binDirs: config.cniBinDirs,
          file: config.cniConfFile,
          leases: `${LEASES_DIRECTORY}/${config.cniNetworkName}`,
          plugins: CNI_PLUGINS,
        });
      case "leases":
        return this.#leases();
      case "udp":
        return findUdp();
      case "api":
        return this.#api().then((api) => api.look());
      case "rights":
        return this.#api().then((api) => api.rights(config.nodeName));
      case "managers":
        return findManagers(config.interface);
      case "denials":
        return findDenials();
      case "files":
        return findFiles(agent?.pid, shim);
      case "paths":
        return this.#paths();
      case "proxy":
        return this.#proxy();
      case "resolvers":
        return Deno.readTextFile("/etc/resolv.conf").then((text) =>
          text.split("\n").filter((line) => line.startsWith("nameserver"))
        );
    }
  }

  async #probed(): Promise<Probed> {
    const { config, shim } = this.#options;
    const before = unreachableCount(shim);
    const status = await askStatus({
      link: config.interface,
      query: "probe=1",
    });
    const unreachable = unreachableCount(shim) - before;
    const dark: string[] = [];
    for (const { node, endpoint, state } of status.peers) {
      if (state !== "down" || endpoint === null) continue;
      const host = endpoint.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
      const { answered } = await new TcpProbe().probe(host, 2_000);
      if (!answered) dark.push(node ?? "");
    }
    return { status, unreachable, dark };
  }

  async #kernel(): Promise<Facts["kernel"]> {
    const { config, shim } = this.#options;
    const link = await new Rtnetlink(shim).link(config.interface);
    return {
      release: (readProc("/proc/sys/kernel/osrelease", shim) ?? "").trim(),
      wireGuard: await new KernelWireGuard(shim).available(),
      userspace: link?.kind === "tun",
    };
  }

  async #api(): Promise<DoctorApi> {
    const { config: { kubeconfig, server }, env } = this.#options;
    const access = await openKubeAccess({ kubeconfig, server, clock, env });
    return new DoctorApi(access, { clock, signal: this.#over.signal });
  }

  #world(): World {
    const { config, env, shim } = this.#options;
    return {
      wireGuard: new KernelWireGuard(shim),
      routes: new Rtnetlink(shim),
      sysctl: new ProcSysctl(shim, config.procSysNet),
      tables: new Nftables(shim),
      conflist: new ConflistFile({ shim }),
      cni: new CniDirectories({ inPod: env[SERVICE_HOST] !== undefined }),
    };
  }

  async #state(): Promise<StateFacts> {
    const { config, shim } = this.#options;
    const [nodes, host, key] = await Promise.all([
      this.#need("nodes"),
      this.#need("host"),
      this.#need("key"),
    ]);
    const kernel = await this.#need("kernel");
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
    const have = await observe({ ...this.#world(), wireGuard }, {
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

  async #sysctls(): Promise<ReadonlyMap<string, string>> {
    const { config, shim } = this.#options;
    const sysctl = new ProcSysctl(shim, config.procSysNet);
    const found = new Map<string, string>();
    for (const name of sysctlNames(config.interface)) {
      const value = await sysctl.read(name);
      if (value !== undefined) found.set(name, value);
    }
    return found;
  }

  async #firewall(): Promise<Facts["firewall"]> {
    const { config, shim } = this.#options;
    return {
      drops: await new Nftables(shim).forwardDrops(),
      iptables: await iptablesForward(),
      chains: await droppingChains(config.interface),
    };
  }

  async #leases(): Promise<Facts["leases"]> {
    const { self } = await this.#need("state");
    const { cniNetworkName } = this.#options.config;
    const used = await countLeases(`${LEASES_DIRECTORY}/${cniNetworkName}`);
    const cidr = self?.podCidrs.find((one) => !one.includes(":"));
    const bits = Number(cidr?.split("/")[1] ?? "32");
    // Without the network's, the broadcast and the gateway's address.
    return { used, room: Math.max(0, 2 ** (32 - bits) - 3) };
  }

  async #paths(): Promise<readonly PathFacts[]> {
    const { have, want, names } = await this.#need("state");
    const full = have.link?.mtu;
    if (full === undefined) throw new Error("there is no link");
    const peers = [...want.peers?.values() ?? []].slice(0, PATHS);
    return await Promise.all(peers.map(async (peer) => {
      const [prefix] = peer.allowedIps;
      const address = prefix === undefined ? "" : String(firstAddress(prefix));
      const small = await pingComesBack(address, SMALL, FIRST_SECONDS);
      const largest = small ? await largestThatComesBack(address, full) : null;
      const overIpv6 = peer.endpoint?.startsWith("[") ?? false;
      const outside = peer.endpoint?.replace(/:\d+$/, "")
        .replace(/^\[|\]$/g, "") ?? "";
      const hole = largest !== null && largest < full;
      const overhead = OVERHEAD[overIpv6 ? 6 : 4];
      const underlay = hole && await pingComesBack(outside, SMALL)
        ? await largestThatComesBack(outside, full + overhead)
        : null;
      const node = names.get(peer.publicKey) ?? peer.publicKey;
      return { node, address, full, small, largest, underlay, overIpv6 };
    }));
  }

  async #proxy(): Promise<ProxyFacts> {
    const process = this.#options.processes.kubeProxy;
    if (process !== null) {
      const clusterCidr = valueOf(process.args, "--cluster-cidr");
      if (clusterCidr !== undefined) {
        return {
          clusterCidr,
          detectLocalMode: valueOf(process.args, "--detect-local-mode") ?? "",
          from: `arguments of process ${process.pid}`,
        };
      }
    }
    const text = await (await this.#api()).configMap(
      "kube-system",
      "kube-proxy",
    );
    if (text === undefined) {
      throw new Error(
        "no kube-proxy runs here with --cluster-cidr, and its ConfigMap is not ours to read",
      );
    }
    const of = (key: string): string =>
      new RegExp(`${key}:\\s*\\\\?"?([\\w.:/,]*)`).exec(text)?.[1] ?? "";
    return {
      clusterCidr: of("clusterCIDR"),
      detectLocalMode: of("detectLocalMode"),
      from: "ConfigMap kube-system/kube-proxy",
    };
  }
}

/** Of no private key. */
const NO_KEY = `${"A".repeat(42)}k=`;

function unusedOf(index: PeerIndex): StateFacts["unused"] {
  return [...index.findings].flatMap(([node, { remarks, conflicts }]) => [
    ...remarks.map(({ code, text }) => ({ node, code, text })),
    ...conflicts.map(({ text }) => ({ node, code: "conflict", text })),
  ]);
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
