/**
 * What is known of a node when it is examined. Each part is gathered by itself;
 * one that could not be costs only the checks that look at it, and says why.
 *
 * No secret is ever in it.
 *
 * @module
 */

import type { CniFound } from "../core/cni_check.ts";
import type { Config } from "../core/config.ts";
import type { ForwardDrop } from "../core/forward.ts";
import type {
  ApiFacts,
  DiskFacts,
  FileFacts,
  KeyFacts,
  LinkFacts,
  ManagerFacts,
  Processes,
  ProcessFacts,
  ProgramFacts,
  RouteFacts,
  UdpFacts,
} from "../core/machine_facts.ts";
import type { NodeRecord } from "../core/node.ts";
import type { Problem } from "../core/problem.ts";
import type { HostFacts, State, Step } from "../core/state.ts";
import type { Status } from "../core/status.ts";
import type { PeerTraffic } from "../core/traffic.ts";

/** Of a part that could not be gathered: why, as a sentence. */
export type Part<T> = { readonly value: T } | { readonly why: string };

/** Parts that nobody asked for are not there. */
export type Gathered = {
  readonly [Name in keyof Facts]?: Part<Facts[Name]>;
};

export interface Facts {
  /** As the agent that runs has it; else as it would be started. */
  readonly config: Config;
  /** What the agent says of itself. */
  readonly agent: Status;
  /** The same after a packet to every peer. */
  readonly probed: Probed;
  /** At least the one that holds the link's lock. */
  readonly agents: readonly ProcessFacts[];
  readonly processes: Processes;
  /** At least one, as of all these programs. */
  readonly apiServers: readonly ProgramFacts[];
  readonly controllerManagers: readonly ProgramFacts[];
  /** Those of both that were told the Services' range; else those that were not. */
  readonly serviceRanges: readonly ProgramFacts[];
  readonly kernel: KernelFacts;
  readonly key: KeyFacts;
  readonly disk: DiskFacts;
  /** What should be and what is, and the steps between them. */
  readonly state: StateFacts;
  readonly traffic: TrafficFacts;
  readonly nodes: readonly NodeRecord[];
  /** Those that are examined: this machine's; none where it is not known. */
  readonly judged: readonly NodeRecord[];
  /** Of every agent that says it; of `--all` alone. */
  readonly settings: readonly AgentSettings[];
  readonly host: HostFacts;
  readonly links: readonly LinkFacts[];
  readonly routes: readonly RouteFacts[];
  readonly rules: readonly RuleFacts[];
  /** By name, like "net/ipv4/ip_forward"; one that the kernel has not is absent. */
  readonly sysctls: ReadonlyMap<string, string>;
  readonly firewall: FirewallFacts;
  /** "inet filter forward": chains of others that drop by policy what is forwarded. */
  readonly chains: readonly string[];
  readonly cni: CniFound;
  readonly leases: LeaseFacts;
  /** What is bound to the port of the tunnels. */
  readonly udp: readonly UdpFacts[];
  readonly api: ApiFacts;
  /** By "verb resource": is it allowed? */
  readonly rights: ReadonlyMap<string, boolean>;
  readonly managers: ManagerFacts;
  /** What the kernel's log and auditd's say that our program was denied. */
  readonly denials: readonly DenialFacts[];
  readonly files: FileFacts;
  readonly paths: readonly PathFacts[];
  readonly proxy: ProxyFacts;
  readonly resolvers: readonly string[];
}

/** What has to be the same everywhere. */
export interface AgentSettings {
  readonly node: string;
  /** Where it was asked. */
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly version: string;
  readonly clusterCidrs: readonly string[];
  /** `null`: there is no link. */
  readonly listenPort: number | null;
}

export interface Probed {
  readonly status: Status;
  /** ICMP "unreachable" messages that this machine received meanwhile. */
  readonly unreachable: number;
  /** Names of the Nodes that gave no answer on the underlay, outside of the tunnel, either. */
  readonly dark: readonly string[];
}

export interface KernelFacts {
  /** "6.1.0-28-amd64" */
  readonly release: string;
  readonly wireGuard: boolean;
  /** Does a userspace program hold the link? */
  readonly userspace: boolean;
}

export interface StateFacts {
  readonly want: State;
  readonly have: State;
  readonly steps: readonly Step[];
  readonly blocked: readonly Problem[];
  readonly self: NodeRecord | null;
  /** Sentences about Nodes that are not wholly used. */
  readonly unused: readonly {
    readonly node: string;
    readonly code: string;
    readonly text: string;
  }[];
  /** Node of a key. */
  readonly names: ReadonlyMap<string, string>;
}

export interface TrafficFacts {
  /** By public key. */
  readonly peers: ReadonlyMap<string, PeerTraffic>;
  /** Milliseconds since 1970 when it was read. */
  readonly nowMs: number;
}

export interface RuleFacts {
  readonly priority: number;
  readonly table: string;
  /** As ip(8) prints it. */
  readonly text: string;
}

export interface FirewallFacts {
  readonly drops: readonly ForwardDrop[];
  /** What `iptables -S FORWARD` prints; "": no such command. */
  readonly iptables: string;
}

export interface LeaseFacts {
  readonly used: number;
  /** Per range: how many addresses there are for pods. */
  readonly room: number;
}

/** Of one log. */
export interface DenialFacts {
  /** What shows them to a person. */
  readonly command: string;
  readonly lines: readonly string[];
}

/** One peer, asked by packets that may not be fragmented. */
export interface PathFacts {
  readonly node: string;
  readonly address: string;
  /** Bytes of the largest packet that the link takes, IP header included. */
  readonly full: number;
  readonly small: boolean;
  /** Largest that came back, IP header included; `null`: none. */
  readonly largest: number | null;
  /** Bytes of the largest that came back outside of the tunnel; `null`: not known. */
  readonly underlay: number | null;
  /** Is the endpoint IPv6? */
  readonly overIpv6: boolean;
}

export interface ProxyFacts {
  /** "": none is set. */
  readonly clusterCidr: string;
  /** "ClusterCIDR", "NodeCIDR", "": by default ClusterCIDR. */
  readonly detectLocalMode: string;
  readonly from: ProgramFacts | "ConfigMap";
}
