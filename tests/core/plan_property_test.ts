import assert from "node:assert/strict";
import { overlaps } from "../../mod/core/address.ts";
import { advance } from "../../mod/core/advance.ts";
import type { PublicKey } from "../../mod/core/key.ts";
import { plan, type PlanContext } from "../../mod/core/plan.ts";
import type { Peer, State } from "../../mod/core/state.ts";
import { stepText } from "../../mod/core/step_text.ts";
import { Random } from "../support/random.ts";
import { found, LINK, OWN_KEY, wanted } from "../support/random_states.ts";

const SEEDS = 400;

type Peers = ReadonlyMap<PublicKey, Peer>;

/** Pairs of different peers' prefixes that overlap, as text. */
function overlapping(peers: Peers): ReadonlySet<string> {
  const held = [...peers.values()].flatMap(({ publicKey, allowedIps }) =>
    allowedIps.map((prefix) => ({ publicKey, prefix }))
  );
  return new Set(
    held.flatMap((a) =>
      held.filter((b) =>
        a.publicKey < b.publicKey && overlaps(a.prefix, b.prefix)
      ).map((b) => `${a.prefix} ${b.prefix}`)
    ),
  );
}

function context(): PlanContext {
  return {
    link: LINK,
    privateKeyFile: "/key",
    cniConfFile: "/conflist",
    nodeOf: (key) => `node-${key}`,
  };
}

function bySort(state: State): unknown {
  return {
    ...state,
    routes: state.routes?.map((one) => JSON.stringify(one)).toSorted(),
    addresses: state.addresses?.toSorted(),
    peers: [...state.peers ?? []].sort(([a], [b]) => a < b ? -1 : 1),
  };
}

Deno.test("plan() leads from any state to the desired one, and then rests", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = new Random(seed);
    const observed = found(random);
    const aim = wanted(random, observed);
    const { steps, blocked } = plan(aim, observed, context());
    assert.deepEqual(blocked, [], `seed ${seed}`);
    const reached = advance(observed, steps, { publicKey: OWN_KEY });
    assert.deepEqual(plan(aim, reached, context()).steps, [], `seed ${seed}`);
    if (aim.addresses === undefined) continue; // nothing is removed then
    const label = `seed ${seed}:\n${steps.map(stepText).join("\n")}`;
    assert.deepEqual(
      bySort(reached),
      bySort({ ...aim, peersComplete: true }),
      label,
    );
  }
});

Deno.test("plan() may end after any step: nothing new overlaps, is lost or leaks", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = new Random(seed);
    const observed = { ...found(random), peersComplete: random.chance(0.8) };
    const aim = wanted(random, observed);
    const { steps } = plan(aim, observed, context());
    const label = `seed ${seed}:\n${steps.map(stepText).join("\n")}`;
    const before = overlapping(observed.peers ?? new Map());
    let state: State = observed;
    for (const step of steps) {
      state = advance(state, [step], { publicKey: OWN_KEY });
      for (const pair of overlapping(state.peers ?? new Map())) {
        assert.ok(before.has(pair), `${stepText(step)}: ${pair}; ${label}`);
      }
      for (const [key, peer] of aim.peers ?? []) {
        const was = observed.peers?.get(key);
        const right = JSON.stringify(was) === JSON.stringify(peer);
        if (right) assert.deepEqual(state.peers?.get(key), was, label);
      }
      for (const { destination, type } of state.routes ?? []) {
        const fallback = state.routes?.some((other) =>
          other.destination === destination && other.type === "unreachable"
        );
        const wantedHere = aim.routes?.some((other) =>
          other.destination === destination
        );
        if (type === "unicast" && wantedHere && step.kind !== "add-route") {
          assert.ok(fallback, `${stepText(step)}: ${destination}; ${label}`);
        }
      }
    }
    const last = steps.at(-1);
    for (const step of steps) {
      if (step.kind === "write-conflist") assert.equal(step, last, label);
    }
  }
});

Deno.test("plan() takes nothing away after an interrupted dump", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = new Random(seed);
    const observed = { ...found(random), peersComplete: false };
    const { steps } = plan(wanted(random, observed), observed, context());
    for (const step of steps) {
      if (step.kind !== "peer") continue;
      const label = `seed ${seed}: ${stepText(step)}`;
      assert.equal(step.change.kind, "set-peer", label);
      if (step.change.kind !== "set-peer") continue;
      assert.deepEqual(step.change.removeAllowedIps, [], label);
      assert.equal(step.change.replaces, undefined, label);
    }
  }
});

Deno.test("plan() for some keys only does for them what the whole plan does", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = new Random(seed);
    const observed = found(random);
    const aim = wanted(random, observed);
    const all = plan(aim, observed, context()).steps;
    const touched = all.flatMap((step) =>
      step.kind === "peer"
        ? step.change.kind === "set-peer" && step.change.replaces
          ? [step.change.publicKey, step.change.replaces]
          : [step.change.publicKey]
        : []
    );
    // A peer that only loses to others has no step, but it was touched.
    const losers = [...observed.peers?.keys() ?? []].filter((key) =>
      JSON.stringify(observed.peers?.get(key)) !==
        JSON.stringify(aim.peers?.get(key))
    );
    const only = new Set(random.shuffle([...touched, ...losers]));
    const some = plan(aim, observed, { ...context(), only }).steps;
    const reached = advance(observed, some, { publicKey: OWN_KEY });
    assert.deepEqual(plan(aim, reached, context()).steps, [], `seed ${seed}`);
  }
});
