/**
 * What is known of the path between two Nodes, gathered from anywhere by a
 * kubeconfig: the Node objects, what each end's agent says, and what each end
 * counted while both sent the other a packet.
 *
 * No secret is ever in it.
 *
 * @module
 */

import type { NodeAnswer } from "../core/opinion.ts";
import type { NodeRecord } from "../core/node.ts";
import type { PeerStatus, Status } from "../core/status.ts";
import type { Diagnosis } from "./check.ts";
import type { Part } from "./facts.ts";

export interface PairFacts {
  /** The API server, for people. */
  readonly server: string;
  /** When it was gathered: RFC 3339, UTC. */
  readonly time: string;
  /** Of the public key. */
  readonly annotation: string;
  readonly a: Side;
  readonly b: Side;
}

export interface Side {
  readonly node: NodeRecord;
  /** The condition Ready; `null`: it has none. */
  readonly ready: ReadyFacts | null;
  /** The agent's; `null`: there is none on that Node. */
  readonly pod: { readonly namespace: string; readonly name: string } | null;
  /** After both have sent the other a packet. */
  readonly answer: NodeAnswer;
  /** Between this end's link and the other's Node, meanwhile; `null`: not known. */
  readonly moved: Moved | null;
  /** Those of `PAIR_CHECKS`, made on that machine. */
  readonly checks: Part<Diagnosis>;
}

export interface ReadyFacts {
  /** "True", "False", "Unknown" */
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** Bytes. */
export interface Moved {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Findings without which no packet gets into a tunnel or out of one. */
export const BEFORE_TUNNEL: readonly string[] = [
  "agent-two",
  "cidr-underlay",
  "link-missing",
  "link-foreign",
  "key-mismatch",
  "port-in-use",
  "listen-port",
  "route-missing",
  "route-foreign",
];

/** Checks of a machine that may tell why a path through it does not stand. */
export const PAIR_CHECKS: readonly string[] = [
  ...BEFORE_TUNNEL,
  "link-address",
  "link-mtu",
  "pod-mtu",
  "rule-overrides",
  "forwarding-off",
  "link-forwarding",
  "rp-filter",
  "ipv6-disabled",
  "nft-table",
  "peer-refused",
  "peer-silent",
  "handshake-future",
  "mtu-black-hole",
  "forward-drop",
  "forward-chain",
  "conntrack-full",
];

/** The other Node as that agent has it. */
export function peerOf(
  { answer }: Pick<Side, "answer">,
  node: string,
): PeerStatus | undefined {
  return answer.kind === "status"
    ? answer.status.peers.find((peer) => peer.node === node)
    : undefined;
}

/**
 * What went between that agent and the Node from one of its answers to another.
 * Counters begin anew with a peer that was taken away and made again.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { movedBetween } from "./pair_facts.ts";
 *
 * assert.equal(movedBetween({ peers: [] }, { peers: [] }, "n2"), null);
 * ```
 */
export function movedBetween(
  before: Pick<Status, "peers">,
  after: Pick<Status, "peers">,
  node: string,
): Moved | null {
  const of = ({ peers }: Pick<Status, "peers">): PeerStatus | undefined =>
    peers.find((peer) => peer.node === node);
  const last = of(after);
  if (last === undefined) return null;
  const first = of(before);
  const same = first?.publicKey === last.publicKey &&
    first.sentBytes <= last.sentBytes &&
    first.receivedBytes <= last.receivedBytes;
  return {
    sentBytes: last.sentBytes - (same ? first.sentBytes : 0),
    receivedBytes: last.receivedBytes - (same ? first.receivedBytes : 0),
  };
}
