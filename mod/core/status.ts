/**
 * What an agent knows, as it tells it to people and programs: the JSON of
 * `clusternet status -o json` and of `/v1/status`. Additions are made without a
 * word; what is there keeps its name and meaning as long as `schema` is the same.
 *
 * No secret is ever in it.
 *
 * @module
 */

import type { RemarkCode } from "./candidate.ts";
import type { PeerState } from "./peer_state.ts";

/** Of `Status.schema`. */
export const STATUS_SCHEMA = 1;

export interface Status {
  readonly schema: number;
  /** Of the agent: "0.1.0". */
  readonly version: string;
  /** When this was so, and when the agent was started: RFC 3339, UTC. */
  readonly time: string;
  readonly startedAt: string;
  readonly health: {
    readonly ready: boolean;
    /** "OK, 12 peers": what systemd, the log and `/readyz` say. */
    readonly text: string;
    /** Sentences. */
    readonly problems: readonly string[];
  };
  readonly node: {
    readonly name: string;
    /** `null`: our own Node is not known. */
    readonly uid: string | null;
    readonly internalIps: readonly string[];
    readonly podCidrs: readonly string[];
  };
  readonly key: {
    readonly publicKey: string;
    /** What our Node says; `null`: nothing. */
    readonly published: string | null;
    readonly annotation: string;
  };
  /** `null`: there is none of that name. */
  readonly link: LinkStatus | null;
  readonly clusterCidrs: readonly string[];
  readonly api: {
    readonly server: string;
    /** A complete list has been received since the start. */
    readonly synced: boolean;
    /** Seconds since the last list, event or bookmark. */
    readonly silentSeconds: number | null;
    /** What is wrong now, in a sentence. */
    readonly error: string | null;
    /** How many there are, our own included. */
    readonly nodes: number;
  };
  /** `null`: there has been none. */
  readonly turn: TurnStatus | null;
  /** Sorted by the Node's name. */
  readonly peers: readonly PeerStatus[];
  /** Nodes that are not wholly used, with the reasons. Sorted by name. */
  readonly findings: readonly FindingStatus[];
}

export interface LinkStatus {
  readonly name: string;
  readonly backend: "kernel" | "userspace";
  readonly up: boolean;
  /** Bytes. */
  readonly mtu: number | null;
  readonly listenPort: number;
  readonly addresses: readonly string[];
}

export interface TurnStatus {
  /** RFC 3339, UTC. */
  readonly at: string;
  /** Seconds since then. */
  readonly agoSeconds: number;
  readonly milliseconds: number;
  /** How much of the kernel was read: "full", "network" or "peers". */
  readonly scope: string;
  /** Steps that were done. */
  readonly applied: number;
  readonly problems: readonly string[];
}

export interface PeerStatus {
  /** `null`: a peer on our link whose Node is not known (yet). */
  readonly node: string | null;
  readonly publicKey: string;
  /** Where its packets come from at the moment. */
  readonly endpoint: string | null;
  readonly podCidrs: readonly string[];
  /** The first address of its first podCIDR, which its link has. */
  readonly linkAddress: string | null;
  /** `null`: there has been no handshake. */
  readonly handshakeSeconds: number | null;
  /** Bytes since the peer was made. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly state: PeerState;
  /** The last probe, if it still tells of now. */
  readonly probe: {
    readonly agoSeconds: number;
    readonly answered: boolean;
    readonly roundTripMs: number | null;
    readonly failure: string;
  } | null;
}

export interface FindingStatus {
  readonly node: string;
  /** Is it a peer all the same? */
  readonly peer: boolean;
  readonly reasons: readonly {
    readonly code: RemarkCode | "conflict";
    /** A sentence. */
    readonly text: string;
  }[];
}

/**
 * Was this written by a program that we understand?
 *
 * @returns why not, as the end of a sentence; `undefined`: it was
 */
export function notAStatus(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !("schema" in value)) {
    return "its answer is no status";
  }
  const { schema, version } = value as { schema: unknown; version?: unknown };
  if (schema === STATUS_SCHEMA) {
    const { findings, health, peers } = value as Partial<Status>;
    const whole = typeof health === "object" && Array.isArray(findings) &&
      Array.isArray(peers);
    return whole ? undefined : "its answer is no status";
  }
  return `it is version ${String(version)} and speaks schema ${
    String(schema)
  }, this program schema ${STATUS_SCHEMA}: use the executable of the same version`;
}
