/**
 * What one Node's agent says of another Node.
 *
 * @module
 */

import type { PeerState } from "./peer_state.ts";
import type { FindingStatus, PeerStatus, Status } from "./status.ts";

export type NodeAnswer =
  | { readonly kind: "status"; readonly status: Status }
  | NoAnswer;

export interface NoAnswer {
  readonly kind: "none";
  /** A sentence, or the end of one: why it could not be asked. */
  readonly why: string;
}

/**
 * - `up`, `idle`, `down`: it is a peer, and in that state
 * - `absent`: it is none
 * - `unasked`: the agent could not be asked
 */
export interface Opinion {
  readonly word: PeerState | "absent" | "unasked";
  /** Why, for people; "" where there is nothing to say. */
  readonly why: string;
}

/** A peer whose Node is not known goes by its key: no Node has such a name. */
export function peerName({ node, publicKey }: PeerStatus): string {
  return node ?? `key ${publicKey}`;
}

/** Why a Node that the agent speaks of in a finding is no peer, or not wholly. */
export function reasonsOf({ reasons }: FindingStatus): string {
  return reasons.map(({ text }) => text).join("; ");
}

/** Why a Node that the agent does not speak of is no peer. */
export function absenceOf({ api, link }: Status): string {
  if (link === null) return "it has no link";
  return api.synced
    ? "it does not know that Node"
    : "it has no complete list of Nodes yet";
}

/** Why that Node is no peer, as this agent has it. */
export function whyAbsent(status: Status, name: string): string {
  const finding = status.findings.find(({ node }) => node === name);
  return finding === undefined ? absenceOf(status) : reasonsOf(finding);
}

/** Does it say that there is no way? */
export function isBreak({ word }: Opinion): boolean {
  return word === "down" || word === "absent";
}
