/**
 * What is found on a machine, as it is: who looks for it and who judges it have
 * the same words for it.
 *
 * @module
 */

import type { Prefix } from "./address.ts";
import type { Link } from "./state.ts";

export interface ProcessFacts {
  readonly pid: number;
  readonly args: readonly string[];
}

/** One of Kubernetes' own programs, and where it was found. */
export interface ProgramFacts {
  readonly args: readonly string[];
  readonly place: ProgramPlace;
}

export type ProgramPlace =
  | { readonly kind: "process"; readonly pid: number }
  | { readonly kind: "pod"; readonly namespace: string; readonly name: string };

/** In our network namespace. */
export interface Processes {
  readonly agents: readonly ProcessFacts[];
  readonly kubeProxy: ProcessFacts | null;
  readonly apiServer: ProcessFacts | null;
  readonly controllerManager: ProcessFacts | null;
}

export interface KeyFacts {
  readonly path: string;
  /** `null`: there is no file. */
  readonly mode: number | null;
  readonly uid: number | null;
  /** Of the directory. */
  readonly directoryMode: number | null;
  /** `null`: what is in it is no key. */
  readonly publicKey: string | null;
}

export interface DiskFacts {
  readonly directory: string;
  readonly readOnly: boolean;
  /** Kibibytes; `null`: not known. */
  readonly freeKib: number | null;
  readonly freeInodes: number | null;
}

export interface LinkFacts extends Omit<Link, "mtu"> {
  readonly name: string;
  readonly mtu: number;
}

export interface RouteFacts {
  readonly destination: Prefix;
  /** "": into nothing, as a blackhole does. */
  readonly device: string;
  readonly table: string;
  /** RTPROT_… */
  readonly protocol: number;
}

export interface UdpFacts {
  readonly port: number;
  /** Of the socket. */
  readonly inode: bigint;
  /** Of the process that holds it; "": the kernel, or one that we do not see. */
  readonly program: string;
}

/** A UDP socket that is bound. */
export interface UdpSocketFacts extends Omit<UdpFacts, "port"> {
  /** `address:port` as `endpointText()` spells it. */
  readonly local: string;
  readonly remote: string;
  readonly uid: number;
  /** Bytes that nobody has read yet. */
  readonly waitingBytes: number;
  /** Packets that found no room. */
  readonly drops: number;
}

export interface ApiFacts {
  readonly server: string;
  /** `null`: it answers. */
  readonly error: string | null;
  readonly milliseconds: number;
  /** Seconds by which our clock is ahead; `null`: not known. */
  readonly aheadSeconds: number | null;
}

export interface ManagerFacts {
  readonly networkd: boolean;
  /** Does networkd leave routes and rules alone that are not its own? */
  readonly foreignRoutesKept: boolean;
  readonly networkManager: boolean;
  /** Does NetworkManager leave our link alone? */
  readonly linkUnmanaged: boolean;
}

export interface FileFacts {
  /** Of the agent; `null`: none runs. */
  readonly open: number | null;
  readonly limit: number | null;
  readonly systemOpen: number;
  readonly systemLimit: number;
}
