/**
 * The steps for the peers. Invariant: after each of them no prefix overlaps one
 * of another peer unless it did before, and peers that are as they should be are
 * not touched (I14, I18). WireGuard moves a prefix that a second peer is given,
 * in one go; so:
 *
 * 1. peers that should not be there go, save those that step 3 replaces;
 * 2. prefixes that no other peer is about to take go;
 * 3. peers that take the place of another (a Node with a new key): both in one
 *    message, and the prefixes with them (I20);
 * 4. the rest: new peers, prefixes added or moved, endpoints.
 *
 * After an interrupted dump nothing is removed, and nothing added beside what
 * then stays and overlaps it.
 *
 * @module
 */

import type { Prefix } from "./address.ts";
import type { PublicKey } from "./key.ts";
import { PrefixIndex } from "./prefix_index.ts";
import type { PlanContext } from "./plan.ts";
import type { Peer, PeerChange, State, Step } from "./state.ts";

type Peers = ReadonlyMap<PublicKey, Peer>;
type SetPeer = Extract<PeerChange, { kind: "set-peer" }>;

/** What a peer of both sides has to gain and to lose. */
interface Difference {
  readonly wanted: Peer;
  /** `undefined`: it is not there. */
  readonly found: Peer | undefined;
  readonly add: readonly Prefix[];
  readonly lose: readonly Prefix[];
}

export function planPeers(
  desired: State,
  observed: State,
  context: PlanContext,
): readonly Step[] {
  const wanted = desired.peers;
  const found: Peers | undefined = observed.link === null
    ? new Map()
    : observed.peers;
  if (wanted === undefined || found === undefined) return [];
  const { gone, differences } = compare(wanted, found, context.only);
  if (gone.length === 0 && differences.length === 0) return [];
  const changes = observed.peersComplete === false
    ? addOnly(gone, differences, context)
    : addAndRemove(gone, differences, context);
  const { link } = context;
  return [...changes].map((change): Step => ({ kind: "peer", link, change }));
}

function compare(
  wanted: Peers,
  found: Peers,
  only: ReadonlySet<PublicKey> | undefined,
): { readonly gone: readonly Peer[]; readonly differences: Difference[] } {
  const gone: Peer[] = [];
  const differences: Difference[] = [];
  for (const key of only ?? found.keys()) {
    const peer = found.get(key);
    if (peer !== undefined && !wanted.has(key)) gone.push(peer);
  }
  for (const key of only ?? wanted.keys()) {
    const peer = wanted.get(key);
    if (peer === undefined) continue;
    const there = found.get(key);
    if (there === peer) continue;
    const difference = {
      wanted: peer,
      found: there,
      add: without(peer.allowedIps, there?.allowedIps ?? []),
      lose: without(there?.allowedIps ?? [], peer.allowedIps),
    };
    if (!isEmpty(difference)) differences.push(difference);
  }
  return { gone, differences };
}

function* addAndRemove(
  gone: readonly Peer[],
  differences: readonly Difference[],
  context: PlanContext,
): Generator<PeerChange> {
  const takers = takersOf(differences);
  const successors = pairUp(gone, { takers, differences, context });
  const replaced = new Set(successors.values());
  for (const peer of gone) {
    if (!replaced.has(peer)) yield removal(peer.publicKey, context);
  }
  for (const peer of replaced) {
    const orphans = peer.allowedIps.filter((prefix) => !takers.has(prefix));
    if (orphans.length > 0) yield strip(peer, orphans, context);
  }
  const later: Difference[] = [];
  for (const difference of differences) {
    const { wanted, add, lose } = difference;
    const orphans = lose.filter((prefix) => !takers.has(prefix));
    if (add.length > 0 || difference.found === undefined) {
      if (orphans.length > 0) yield strip(wanted, orphans, context);
      later.push(difference);
    } else {
      // All that it loses may be on its way to others: then nothing is left to do.
      const change = setPeer(difference, { add, remove: orphans }, context);
      if (!isEmptyChange(change)) yield change;
    }
  }
  for (const difference of later.filter((one) => successors.has(one))) {
    const replaces = successors.get(difference)?.publicKey;
    yield { ...whole(difference, context), replaces };
  }
  for (const difference of later.filter((one) => !successors.has(one))) {
    yield whole(difference, context);
  }
}

/** What an interrupted dump allows: nothing that takes away, or lies inside or around what stays. */
function* addOnly(
  gone: readonly Peer[],
  differences: readonly Difference[],
  context: PlanContext,
): Generator<PeerChange> {
  const stale = new PrefixIndex<Prefix>();
  const staying = [
    ...gone.flatMap(({ allowedIps }) => allowedIps),
    ...differences.flatMap(({ lose }) => lose),
  ];
  for (const prefix of staying) stale.set(prefix, prefix);
  for (const difference of differences) {
    const add = difference.add.filter((prefix) =>
      ![...stale.overlapping(prefix)].some((other) => other !== prefix)
    );
    if (difference.found === undefined && add.length === 0) continue;
    const change = setPeer(difference, { add, remove: [] }, context);
    if (!isEmptyChange(change)) yield change;
  }
}

/** Who is about to be given each prefix. */
function takersOf(
  differences: readonly Difference[],
): ReadonlyMap<Prefix, Difference> {
  return new Map(
    differences.flatMap((difference) =>
      difference.add.map((prefix) => [prefix, difference] as const)
    ),
  );
}

interface PairContext {
  readonly takers: ReadonlyMap<Prefix, Difference>;
  readonly differences: readonly Difference[];
  readonly context: PlanContext;
}

/**
 * New peers and the one that each takes the place of: the one whose prefixes it
 * takes, as the kernel remembers across restarts, else that of the same Node.
 */
function pairUp(
  gone: readonly Peer[],
  { takers, differences, context: { nodeOf } }: PairContext,
): ReadonlyMap<Difference, Peer> {
  const pairs = new Map<Difference, Peer>();
  const fresh = gone.length === 0
    ? []
    : differences.filter(({ found }) => found === undefined);
  const byNode = new Map(
    fresh.map((one) => [nodeOf(one.wanted.publicKey), one]),
  );
  for (const peer of gone) {
    const heirs = peer.allowedIps.map((prefix) => takers.get(prefix));
    const name = nodeOf(peer.publicKey);
    const namesake = name === undefined ? undefined : byNode.get(name);
    const successor = [...heirs, namesake].find((one) =>
      one !== undefined && one.found === undefined && !pairs.has(one)
    );
    if (successor !== undefined) pairs.set(successor, peer);
  }
  return pairs;
}

function removal(
  publicKey: PublicKey,
  { nodeOf }: PlanContext,
): PeerChange {
  const name = nodeOf(publicKey);
  const reason = name === undefined
    ? "no Node has this key"
    : `Node ${name} is gone, has another key or cannot be used`;
  return { kind: "remove-peer", publicKey, reason };
}

/** Takes prefixes from a peer and leaves the rest of it as it is. */
function strip(
  { publicKey }: Peer,
  removeAllowedIps: readonly Prefix[],
  { nodeOf }: PlanContext,
): SetPeer {
  return {
    kind: "set-peer",
    publicKey,
    create: false,
    endpoint: undefined,
    addAllowedIps: [],
    removeAllowedIps,
    keepaliveSeconds: undefined,
    clearPresharedKey: false,
    replaces: undefined,
    node: nodeOf(publicKey) ?? "unknown",
  };
}

/** All that a peer still needs once the orphans have gone. */
function whole(difference: Difference, context: PlanContext): SetPeer {
  return setPeer(difference, { add: difference.add, remove: [] }, context);
}

interface Prefixes {
  readonly add: readonly Prefix[];
  readonly remove: readonly Prefix[];
}

function setPeer(
  { wanted, found }: Difference,
  { add, remove }: Prefixes,
  context: PlanContext,
): SetPeer {
  const { publicKey, endpoint, keepaliveSeconds } = wanted;
  return {
    ...strip(wanted, remove, context),
    create: found === undefined,
    endpoint: endpoint === found?.endpoint ? undefined : endpoint,
    addAllowedIps: add,
    keepaliveSeconds: keepaliveSeconds === (found?.keepaliveSeconds ?? 0)
      ? undefined
      : keepaliveSeconds,
    clearPresharedKey: losesPresharedKey(wanted, found),
    node: context.nodeOf(publicKey) ?? "unknown",
  };
}

function isEmpty({ wanted, found, add, lose }: Difference): boolean {
  return found !== undefined && add.length === 0 && lose.length === 0 &&
    (wanted.endpoint === undefined || wanted.endpoint === found.endpoint) &&
    wanted.keepaliveSeconds === found.keepaliveSeconds &&
    !losesPresharedKey(wanted, found);
}

function isEmptyChange(change: SetPeer): boolean {
  return !change.create && change.endpoint === undefined &&
    change.addAllowedIps.length === 0 && change.removeAllowedIps.length === 0 &&
    change.keepaliveSeconds === undefined && !change.clearPresharedKey;
}

function losesPresharedKey(wanted: Peer, found: Peer | undefined): boolean {
  return !wanted.presharedKey && (found?.presharedKey ?? false);
}

function without(
  prefixes: readonly Prefix[],
  others: readonly Prefix[],
): readonly Prefix[] {
  if (others.length === 0) return prefixes;
  const set = new Set(others);
  return prefixes.filter((prefix) => !set.has(prefix));
}
