/**
 * Who may hold a key or a prefix when Nodes disagree: the oldest Node, by
 * creation and UID, so that every agent comes to the same answer.
 *
 * Keys are settled first; who loses its key claims no prefix. Then prefixes:
 * whatever overlaps one of an older Node is not given, the rest is. The answer
 * does not depend on the order of the candidates, what is given is disjoint,
 * and taking away one who holds nothing changes nothing for anybody (I18, I19).
 *
 * @module
 */

import type { Prefix } from "./address.ts";
import { type Candidate, compareAge } from "./candidate.ts";
import type { PublicKey } from "./key.ts";
import { PrefixIndex } from "./prefix_index.ts";
import type { Peer } from "./state.ts";

/** What one candidate got of what it claims. */
export interface Holding {
  readonly candidate: Candidate;
  /** Sorted as text. Empty: it is no peer. */
  readonly prefixes: readonly Prefix[];
  readonly conflicts: readonly Conflict[];
}

/** A claim that was refused. */
export interface Conflict {
  readonly kind: "key" | "prefix";
  /** Names of Nodes. */
  readonly loser: string;
  readonly owner: string;
  /** The key or prefix that the loser claims. */
  readonly claim: PublicKey | Prefix;
  /** A sentence for people. */
  readonly text: string;
}

/** By name of the Node, all candidates. */
export type Settled = ReadonlyMap<string, Holding>;

/**
 * Settle all claims at once: the specification, which `PeerIndex` follows step
 * by step. Takes time in proportion to the candidates.
 */
export function settle(candidates: Iterable<Candidate>): Settled {
  const owners = new Map<PublicKey, Candidate>();
  const given = new PrefixIndex<Candidate>();
  const settled = new Map<string, Holding>();
  for (const candidate of [...candidates].sort(compareAge)) {
    const { name, publicKey } = candidate;
    const keyOwner = owners.get(publicKey);
    if (keyOwner !== undefined) {
      const conflicts = [keyConflict(candidate, keyOwner)];
      settled.set(name, { candidate, prefixes: [], conflicts });
      continue;
    }
    owners.set(publicKey, candidate);
    const holding = hold(
      candidate,
      (prefix) => first(given.overlapping(prefix)),
    );
    for (const prefix of holding.prefixes) given.set(prefix, candidate);
    settled.set(name, holding);
  }
  return settled;
}

/**
 * What a candidate that owns its key holds.
 *
 * @param inTheWay who of its elders holds a prefix that overlaps this one: the
 * same, else the wider, else the one with the lowest address
 */
export function hold(
  candidate: Candidate,
  inTheWay: (prefix: Prefix) => Candidate | undefined,
): Holding {
  const prefixes: Prefix[] = [];
  const conflicts: Conflict[] = [];
  for (const prefix of candidate.prefixes) {
    const owner = inTheWay(prefix);
    if (owner === undefined) prefixes.push(prefix);
    else conflicts.push(prefixConflict(candidate, prefix, owner));
  }
  // Whoever gets all, as nearly all do, needs no list of its own.
  const all = conflicts.length === 0;
  return {
    candidate,
    prefixes: all ? candidate.prefixes : prefixes,
    conflicts,
  };
}

export function keyConflict(
  { name, publicKey }: Candidate,
  owner: Candidate,
): Conflict {
  const text =
    `Node ${name} has the same public key as the older Node ${owner.name}, and ` +
    "so is no peer: remove its private key file and restart its agent";
  return {
    kind: "key",
    loser: name,
    owner: owner.name,
    claim: publicKey,
    text,
  };
}

/** The peer that comes of a holding; `undefined`: none. */
export function peerOf({ candidate, prefixes }: Holding): Peer | undefined {
  if (prefixes.length === 0) return undefined;
  return {
    publicKey: candidate.publicKey,
    endpoint: candidate.endpoint,
    allowedIps: prefixes,
    keepaliveSeconds: 0,
    presharedKey: false,
  };
}

function prefixConflict(
  { name }: Candidate,
  claim: Prefix,
  owner: Candidate,
): Conflict {
  const text =
    `Node ${name} claims the podCIDR ${claim}, which overlaps one of the older ` +
    `Node ${owner.name}, and does not get it`;
  return { kind: "prefix", loser: name, owner: owner.name, claim, text };
}

function first<T>(items: Iterable<T>): T | undefined {
  for (const item of items) return item;
  return undefined;
}
