/**
 * The claims of candidates to keys and prefixes, settled change by change: the
 * same answer as `settle()`, at the cost of what a change concerns.
 *
 * A claim's outcome depends on older ones only. So whoever gains or loses a key
 * or prefix has the younger claimants of the same asked again, and the queue
 * goes from old to young: each is asked once.
 *
 * @module
 */

import type { Prefix } from "./address.ts";
import { type Candidate, compareAge } from "./candidate.ts";
import type { PublicKey } from "./key.ts";
import { hold, type Holding, keyConflict } from "./ownership.ts";
import { PrefixIndex } from "./prefix_index.ts";

/** Keys and names of Nodes whose outcome may have changed. */
export interface Dirty {
  readonly keys: ReadonlySet<PublicKey>;
  readonly names: ReadonlySet<string>;
}

interface Claim {
  readonly candidate: Candidate;
  /** Before its first settling: no key, no prefix. */
  holding: Holding;
  hasKey: boolean;
}

/** All that claim this very prefix, and the one that holds it. */
interface Place {
  readonly claims: Set<Claim>;
  owner: Claim | undefined;
}

export class Claims {
  readonly #claims = new Map<string, Claim>();
  /** Oldest first: the first one owns the key. */
  readonly #byKey = new Map<PublicKey, Claim[]>();
  readonly #byPrefix = new PrefixIndex<Place>();
  /** Youngest first: the next one is at the end. */
  readonly #queue: Claim[] = [];
  readonly #queued = new Set<Claim>();
  #keys = new Set<PublicKey>();
  #names = new Set<string>();
  #asked = 0;

  /** How many claims have been settled so far: what the changes cost. */
  get asked(): number {
    return this.#asked;
  }

  get names(): IterableIterator<string> {
    return this.#claims.keys();
  }

  /** Settled, or before `settle()` what it was. */
  holding(name: string): Holding | undefined {
    return this.#claims.get(name)?.holding;
  }

  keyOwner(key: PublicKey): Candidate | undefined {
    return this.#byKey.get(key)?.[0]?.candidate;
  }

  /** Put in the place of what this Node claimed; `undefined`: nothing any more. */
  change(name: string, candidate: Candidate | undefined): void {
    const before = this.#claims.get(name);
    if (before !== undefined) this.#withdraw(before);
    if (candidate !== undefined) this.#enter(candidate);
    this.#names.add(name);
  }

  /** Settle what has changed since the last time. */
  settle(): Dirty {
    for (let claim = this.#queue.pop(); claim; claim = this.#queue.pop()) {
      this.#queued.delete(claim);
      this.#ask(claim);
    }
    const dirty = { keys: this.#keys, names: this.#names };
    this.#keys = new Set();
    this.#names = new Set();
    return dirty;
  }

  #enter(candidate: Candidate): void {
    const holding = { candidate, prefixes: [], conflicts: [] };
    const claim: Claim = { candidate, holding, hasKey: false };
    this.#claims.set(candidate.name, claim);
    const sharers = this.#byKey.get(candidate.publicKey);
    if (sharers === undefined) this.#byKey.set(candidate.publicKey, [claim]);
    else sharers.splice(position(sharers, claim, 1), 0, claim);
    for (const prefix of candidate.prefixes) {
      const place = this.#byPrefix.get(prefix) ??
        { claims: new Set(), owner: undefined };
      if (place.claims.size === 0) this.#byPrefix.set(prefix, place);
      place.claims.add(claim);
    }
    this.#enqueue(claim);
    this.#keys.add(candidate.publicKey);
  }

  #withdraw(claim: Claim): void {
    const { name, publicKey, prefixes } = claim.candidate;
    this.#release(claim, claim.holding.prefixes);
    if (claim.hasKey) this.#enqueueSharers(claim);
    this.#claims.delete(name);
    const sharers = this.#byKey.get(publicKey) ?? [];
    sharers.splice(sharers.indexOf(claim), 1);
    if (sharers.length === 0) this.#byKey.delete(publicKey);
    for (const prefix of prefixes) {
      const place = this.#byPrefix.get(prefix);
      place?.claims.delete(claim);
      if (place?.claims.size === 0) this.#byPrefix.delete(prefix);
    }
    this.#unqueue(claim);
    this.#keys.add(publicKey);
  }

  /** Every older claim is settled when this is called. */
  #ask(claim: Claim): void {
    this.#asked++;
    const { candidate, hasKey, holding } = claim;
    const owner = this.keyOwner(candidate.publicKey) ?? candidate;
    claim.hasKey = owner === candidate;
    claim.holding = claim.hasKey
      ? hold(candidate, (prefix) => this.#elderAt(prefix, claim))
      : { candidate, prefixes: [], conflicts: [keyConflict(candidate, owner)] };
    if (claim.hasKey !== hasKey) this.#enqueueSharers(claim);
    const { prefixes } = claim.holding;
    this.#release(
      claim,
      holding.prefixes.filter((one) => !prefixes.includes(one)),
    );
    for (const prefix of prefixes) {
      const place = this.#byPrefix.get(prefix);
      if (place === undefined || place.owner === claim) continue;
      place.owner = claim;
      this.#enqueueYounger(prefix, claim);
    }
    this.#keys.add(candidate.publicKey);
    this.#names.add(candidate.name);
  }

  /** Holders younger than the claim do not count: they are asked after it. */
  #elderAt(prefix: Prefix, claim: Claim): Candidate | undefined {
    for (const { owner } of this.#byPrefix.overlapping(prefix)) {
      if (owner === undefined || owner === claim) continue;
      if (compareAge(owner.candidate, claim.candidate) < 0) {
        return owner.candidate;
      }
    }
    return undefined;
  }

  #release(claim: Claim, prefixes: readonly Prefix[]): void {
    for (const prefix of prefixes) {
      const place = this.#byPrefix.get(prefix);
      // An elder may have it by now; it has had the younger ones asked.
      if (place?.owner === claim) place.owner = undefined;
      this.#enqueueYounger(prefix, claim);
    }
  }

  #enqueueYounger(prefix: Prefix, claim: Claim): void {
    for (const place of this.#byPrefix.overlapping(prefix)) {
      for (const other of place.claims) this.#enqueueIfYounger(other, claim);
    }
  }

  #enqueueSharers(claim: Claim): void {
    for (const other of this.#byKey.get(claim.candidate.publicKey) ?? []) {
      this.#enqueueIfYounger(other, claim);
    }
  }

  #enqueueIfYounger(other: Claim, claim: Claim): void {
    if (compareAge(other.candidate, claim.candidate) > 0) this.#enqueue(other);
  }

  #enqueue(claim: Claim): void {
    if (this.#queued.has(claim)) return;
    this.#queued.add(claim);
    this.#queue.splice(position(this.#queue, claim, -1), 0, claim);
  }

  #unqueue(claim: Claim): void {
    if (!this.#queued.delete(claim)) return;
    this.#queue.splice(this.#queue.indexOf(claim), 1);
  }
}

/** Where a claim belongs in a list sorted by age; `direction` 1: oldest first, -1: youngest first. */
function position(
  sorted: readonly Claim[],
  { candidate }: Claim,
  direction: 1 | -1,
): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = sorted[middle]?.candidate ?? candidate;
    if (compareAge(other, candidate) * direction < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
