/**
 * Gathers what checks ask for, each part once, with a deadline of its own: one
 * that hangs costs only the checks that need it.
 *
 * @module
 */

import { dirname } from "node:path";
import { CNI_PLUGINS, LEASES_DIRECTORY } from "../core/cni.ts";
import type { Config } from "../core/config.ts";
import { errorText } from "../core/errors.ts";
import type {
  Facts,
  Gathered,
  Part,
  Probed,
  StateFacts,
} from "../doctor/facts.ts";
import { askStatus } from "../sys/agent_socket.ts";
import { systemClock as clock } from "../sys/clock.ts";
import { findDenials } from "../sys/denials.ts";
import { DoctorApi } from "../sys/doctor_api.ts";
import {
  countLeases,
  findDisk,
  findFiles,
  findKey,
  findManagers,
} from "../sys/doctor_machine.ts";
import {
  droppingChains,
  findRoutes,
  findRules,
  iptablesForward,
} from "../sys/doctor_network.ts";
import type { FoundProcesses } from "../sys/doctor_processes.ts";
import { findUdp } from "../sys/doctor_sockets.ts";
import { openKubeAccess } from "../sys/kube_auth.ts";
import { Nftables } from "../sys/nftables.ts";
import { readProc } from "../sys/proc_file.ts";
import { Rtnetlink } from "../sys/rtnetlink.ts";
import type { Shim } from "../sys/shim.ts";
import { KernelWireGuard } from "../sys/wireguard_kernel.ts";
import { downOf, measurePaths, probePeers } from "./doctor_paths.ts";
import { findProxy } from "./doctor_proxy.ts";
import {
  mustSeeAll,
  programsHere,
  programsOf,
  rangesHere,
} from "./doctor_programs.ts";
import {
  findState,
  findSysctls,
  findTraffic,
  worldOf,
} from "./doctor_state.ts";

/** Milliseconds for one part; one that is made of others has its own. */
const PART_MS = 20_000;

/** An agent that says when it started was a process before. */
const STARTING_MS = 5_000;

const DAY_MS = 24 * 3_600_000;

/**
 * What disturbs another part waits until that is known: the refusals of our own
 * packets would be counted for those of the peers.
 */
const AFTER: Partial<Record<keyof Facts, keyof Facts>> = { paths: "probed" };

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

  /** @param known told whenever one more part is known */
  async gather(
    names: Iterable<keyof Facts>,
    known?: (count: number, all: number) => void,
  ): Promise<Gathered> {
    const all = [...new Set(names)];
    let count = 0;
    const entries = all.map(async (name) => {
      const part = await this.#part(name);
      known?.(++count, all.length);
      return [name, part] as const;
    });
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
    const earlier = AFTER[name];
    if (earlier !== undefined) {
      await Promise.resolve(); // until all parts have begun
      await this.#parts.get(earlier);
    }
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

  async #value(name: keyof Facts): Promise<Facts[keyof Facts]> {
    const { config, processes, shim } = this.#options;
    const [agent] = processes.agents;
    switch (name) {
      case "config":
        return config;
      case "agents":
        if (agent === undefined) mustSeeAll(processes);
        return processes.agents;
      case "processes":
        return mustSeeAll(processes);
      case "apiServers":
        return programsHere("kube-apiserver", processes);
      case "controllerManagers":
        return programsHere("kube-controller-manager", processes);
      case "serviceRanges":
        return rangesHere(processes);
      case "agent":
        return askStatus({ link: config.interface });
      case "probed":
        return probePeers(config.interface, shim);
      case "kernel":
        return this.#kernel();
      case "key":
        return findKey(config.privateKeyFile);
      case "disk":
        return findDisk(dirname(config.privateKeyFile), shim);
      case "state":
        return this.#state();
      case "traffic":
        return this.#traffic();
      case "nodes":
        return this.#api().then((api) => api.nodes(config.annotation));
      case "judged": {
        const { self } = await this.#need("state");
        return self === null ? [] : [self];
      }
      case "settings":
        throw new Error("`clusternet doctor --all` compares the agents");
      case "host":
        return new Rtnetlink(shim).hostFacts(config.interface);
      case "links":
        return new Rtnetlink(shim).links();
      case "routes":
        return findRoutes(shim);
      case "rules":
        return findRules(shim);
      case "sysctls":
        return findSysctls(config, shim);
      case "firewall":
        return this.#firewall();
      case "chains":
        return droppingChains(config.interface, shim);
      case "cni":
        return worldOf(this.#options).cni.look({
          binDirs: config.cniBinDirs,
          file: config.cniConfFile,
          leases: `${LEASES_DIRECTORY}/${config.cniNetworkName}`,
          plugins: CNI_PLUGINS,
        });
      case "leases":
        return this.#leases();
      case "udp":
        return findUdp(config.listenPort, shim);
      case "api":
        return this.#api().then((api) => api.look());
      case "rights":
        return this.#api().then((api) => api.rights(config.nodeName));
      case "managers":
        return findManagers(config.interface);
      case "denials":
        return this.#newsSince().then(findDenials);
      case "files":
        return findFiles(agent?.pid, shim);
      case "paths":
        return await measurePaths(await this.#need("state"), {
          down: downOf(
            await this.#parts.get("probed") as Part<Probed> | undefined,
          ),
          shim,
        });
      case "proxy":
        return findProxy(
          programsOf(processes.kubeProxy),
          "here",
          () => this.#api(),
        );
      case "resolvers":
        return Deno.readTextFile("/etc/resolv.conf").then((text) =>
          text.split("\n").filter((line) => line.startsWith("nameserver"))
        );
    }
  }

  /** What is older was of another agent, or is mended. Milliseconds since 1970. */
  async #newsSince(): Promise<number> {
    try {
      const { startedAt } = await this.#need("agent");
      return Date.parse(startedAt) - STARTING_MS;
    } catch {
      return Date.now() - DAY_MS; // no agent says anything
    }
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

  async #state(): Promise<StateFacts> {
    const [nodes, host, key] = await Promise.all([
      this.#need("nodes"),
      this.#need("host"),
      this.#need("key"),
    ]);
    const kernel = await this.#need("kernel");
    return await findState({ nodes, host, key, kernel }, this.#options);
  }

  async #traffic(): Promise<Facts["traffic"]> {
    const [kernel, state] = await Promise.all([
      this.#need("kernel"),
      this.#need("state"),
    ]);
    return await findTraffic({ kernel, state }, this.#options);
  }

  async #firewall(): Promise<Facts["firewall"]> {
    const { shim } = this.#options;
    return {
      drops: await new Nftables(shim).forwardDrops(),
      iptables: await iptablesForward(),
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
}
