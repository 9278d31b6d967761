import assert from "node:assert/strict";
import { overlaps, parsePrefix, type Prefix } from "../../mod/core/address.ts";
import { type Candidate, compareAge } from "../../mod/core/candidate.ts";
import type { PublicKey } from "../../mod/core/key.ts";
import { settle, type Settled } from "../../mod/core/ownership.ts";
import { testKey } from "../support/nodes.ts";
import { Random } from "../support/random.ts";

/** An older one has the lower age. */
function claim(
  age: number,
  { key = age, prefixes = [] }: { key?: number; prefixes?: string[] },
): Candidate {
  return {
    kind: "candidate",
    name: `node-${age}`,
    uid: `uid-${age}`,
    created: `2026-01-01T00:00:${String(age).padStart(2, "0")}Z`,
    publicKey: testKey(key),
    endpoint: "192.0.2.1:7838",
    endpointFamily: 4,
    prefixes: prefixes.map(parsePrefix),
    remarks: [],
  };
}

function held(settled: Settled): Record<string, readonly Prefix[]> {
  return Object.fromEntries(
    [...settled].map(([name, { prefixes }]) => [name, prefixes]),
  );
}

Deno.test("settle() gives what overlaps to the older Node and the rest to the younger", () => {
  const settled = settle([
    claim(3, { prefixes: ["10.0.0.0/16"] }),
    claim(2, { prefixes: ["10.0.1.128/25", "10.0.2.0/24"] }),
    claim(1, { prefixes: ["10.0.1.0/24"] }),
  ]);
  assert.deepEqual(held(settled), {
    "node-1": ["10.0.1.0/24"],
    "node-2": ["10.0.2.0/24"],
    "node-3": [],
  });
  assert.deepEqual(settled.get("node-2")?.conflicts, [{
    kind: "prefix",
    loser: "node-2",
    owner: "node-1",
    claim: "10.0.1.128/25",
    text:
      "Node node-2 claims the podCIDR 10.0.1.128/25, which overlaps one of the older Node node-1, and does not get it",
  }]);
});

Deno.test("settle() lets one who has lost its key claim no prefix", () => {
  const settled = settle([
    claim(1, { key: 7, prefixes: ["10.0.1.0/24"] }),
    claim(2, { key: 7, prefixes: ["10.0.2.0/24"] }),
    claim(3, { prefixes: ["10.0.2.0/24"] }),
  ]);
  assert.deepEqual(held(settled), {
    "node-1": ["10.0.1.0/24"],
    "node-2": [],
    "node-3": ["10.0.2.0/24"],
  });
  const [conflict] = settled.get("node-2")?.conflicts ?? [];
  assert.match(
    conflict?.text ?? "",
    /same public key as the older Node node-1/,
  );
});

Deno.test("compareAge() goes by creation, then UID, and puts one without a date last", () => {
  const old = { name: "a", uid: "9", created: "2025-01-01T00:00:00Z" };
  const young = { name: "b", uid: "1", created: "2026-01-01T00:00:00Z" };
  const twin = { name: "c", uid: "2", created: "2026-01-01T00:00:00Z" };
  const undated = { name: "d", uid: "0", created: "" };
  const sorted = [undated, twin, young, old].sort(compareAge);
  assert.deepEqual(sorted.map(({ name }) => name), ["a", "b", "c", "d"]);
});

function crowd(random: Random): Candidate[] {
  return Array.from({ length: 3 + random.below(9) }, (_, age) => {
    const prefixes = Array.from(
      { length: 1 + random.below(3) },
      () =>
        parsePrefix(
          `10.0.${random.below(8)}.0/${random.pick([21, 22, 23, 24, 24, 24])}`,
        ),
    );
    const own = prefixes.filter((one, at) =>
      !prefixes.slice(0, at).some((other) => overlaps(one, other))
    );
    return claim(age, { key: random.below(9), prefixes: own });
  });
}

/** As simple as can be: every pair is compared. */
function naive(candidates: readonly Candidate[]): Record<string, Prefix[]> {
  const keys = new Set<PublicKey>();
  const given: Prefix[] = [];
  const result: Record<string, Prefix[]> = {};
  for (const { name, publicKey, prefixes } of candidates.toSorted(compareAge)) {
    const free = keys.has(publicKey)
      ? []
      : prefixes.filter((one) => !given.some((other) => overlaps(one, other)));
    keys.add(publicKey);
    given.push(...free);
    result[name] = free;
  }
  return result;
}

Deno.test("settle() is what comparing every pair gives, in any order of the candidates", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed);
    const candidates = crowd(random);
    const expected = naive(candidates);
    assert.deepEqual(held(settle(candidates)), expected, `seed ${seed}`);
    const shuffled = settle(random.shuffle(candidates));
    assert.deepEqual(held(shuffled), expected, `seed ${seed}`);
  }
});

Deno.test("settle() changes nothing for anybody when one who holds nothing goes", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed);
    const candidates = crowd(random);
    const before = settle(candidates);
    const losers = candidates.filter(({ name }) =>
      before.get(name)?.conflicts.some(({ kind }) => kind === "key")
    );
    for (const loser of losers) {
      const after = settle(candidates.filter((one) => one !== loser));
      for (const [name, holding] of after) {
        assert.deepEqual(
          holding.prefixes,
          before.get(name)?.prefixes,
          `seed ${seed}`,
        );
      }
    }
  }
});
