import assert from "node:assert/strict";
import {
  hostPrefix,
  overlaps,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../mod/core/address.ts";
import { advance } from "../../mod/core/advance.ts";
import type { Candidate } from "../../mod/core/candidate.ts";
import type { PublicKey } from "../../mod/core/key.ts";
import { peerOf, settle } from "../../mod/core/ownership.ts";
import { plan, type PlanContext } from "../../mod/core/plan.ts";
import {
  LINK_ALIAS,
  type Peer,
  type Route,
  ROUTE_PROTOCOL,
  type State,
  WORST_METRIC,
} from "../../mod/core/state.ts";
import { stepText } from "../../mod/core/step_text.ts";
import { testKey } from "../support/nodes.ts";
import { Random } from "../support/random.ts";

const LINK = "clusternet";
const OWN_KEY = testKey(0);
const SEEDS = 400;

type Peers = ReadonlyMap<PublicKey, Peer>;

/** Prefixes out of a small world: they collide, nest and are disjoint. */
function prefixes(random: Random): readonly Prefix[] {
  const some = Array.from({ length: random.below(4) }, () =>
    parsePrefix(
      random.pick([
        `10.0.${random.below(4)}.0/24`,
        `10.0.${random.below(4)}.128/25`,
        `10.0.${random.below(4)}.0/25`,
        "10.0.0.0/22",
        `fd00:0:0:${random.below(3)}::/64`,
      ]),
    ));
  return [...new Set(some)].sort();
}

/** Peers as a hostile or broken hand leaves them: prefixes are held once, but may overlap. */
function foundPeers(random: Random): Peers {
  const taken = new Set<Prefix>();
  const peers = new Map<PublicKey, Peer>();
  for (let n = 1; n <= 7; n++) {
    if (random.chance(0.4)) continue;
    const allowedIps = prefixes(random).filter((one) => !taken.has(one));
    for (const prefix of allowedIps) taken.add(prefix);
    peers.set(testKey(n), {
      publicKey: testKey(n),
      endpoint: [undefined, endpoint(random)][random.below(2)],
      allowedIps,
      keepaliveSeconds: random.pick([0, 0, 25]),
      presharedKey: random.chance(0.2),
    });
  }
  return peers;
}

/** Peers as `settle()` gives them: disjoint. Sometimes just as they were found. */
function wantedPeers(random: Random, found: Peers): Peers {
  const candidates = Array.from({ length: 7 }, (_, n): Candidate => {
    const there = found.get(testKey(n + 1));
    const keep = there !== undefined && random.chance(0.5);
    return {
      kind: "candidate",
      name: `node-${n + 1}`,
      uid: String(n),
      created: "",
      publicKey: testKey(n + 1),
      endpoint: keep && there.endpoint ? there.endpoint : endpoint(random),
      endpointFamily: 4,
      prefixes: disjoint(keep ? there.allowedIps : prefixes(random)),
      remarks: [],
    };
  });
  const chosen = candidates.filter(() => random.chance(0.7));
  const peers = [...settle(chosen).values()].map(peerOf);
  return new Map(
    peers.filter((peer) => peer !== undefined)
      .map((peer) => [peer.publicKey, peer]),
  );
}

function disjoint(all: readonly Prefix[]): readonly Prefix[] {
  return all.filter((prefix, at) =>
    !all.slice(0, at).some((other) => overlaps(prefix, other))
  );
}

function endpoint(random: Random): string {
  return random.pick([
    `192.0.2.${random.below(4)}:7838`,
    `[2001:db8::${random.below(4)}]:7838`,
  ]);
}

const ROUTES: readonly Route[] = [
  route("10.0.0.0/16", WORST_METRIC),
  route("10.0.0.0/16", 0, "10.0.9.1"),
  route("fd00::/48", WORST_METRIC),
  route("fd00::/48", 1024, "fd00::9:0:0:1"),
];

function route(to: string, metric: number, source?: string): Route {
  return {
    destination: parsePrefix(to),
    type: source === undefined ? "unreachable" : "unicast",
    device: source === undefined ? undefined : LINK,
    source: source === undefined ? undefined : parseAddress(source),
    metric,
    protocol: ROUTE_PROTOCOL,
  };
}

function wanted(random: Random, found: State): State {
  const knows = random.chance(0.8);
  return {
    link: { kind: "wireguard", alias: LINK_ALIAS, mtu: 1440, up: true },
    device: { publicKey: OWN_KEY, listenPort: 7838 },
    addresses: knows
      ? ["10.0.9.1", "fd00::9:0:0:1"].map((one) =>
        hostPrefix(parseAddress(one))
      )
      : undefined,
    routes: ROUTES.filter(({ type }) => knows || type === "unreachable"),
    peers: knows ? wantedPeers(random, found.peers ?? new Map()) : undefined,
    sysctls: new Map([["net/ipv4/ip_forward", "1"]]),
    conflist: knows ? "new" : undefined,
  };
}

function found(random: Random): State {
  const common = {
    sysctls: new Map([["net/ipv4/ip_forward", random.pick(["0", "1"])]]),
    conflist: [null, "old", "new"][random.below(3)],
    peersComplete: true,
  };
  const dead = random.shuffle(ROUTES).filter(({ type }) =>
    type === "unreachable" && random.chance(0.5)
  );
  if (random.chance(0.2)) {
    const peers = new Map<PublicKey, Peer>();
    return {
      ...common,
      link: null,
      device: null,
      addresses: [],
      peers,
      routes: dead,
    };
  }
  const ours = [
    ...ROUTES.filter(({ type }) => type === "unicast"),
    route("10.0.0.0/16", 0, "10.0.8.1"),
    route("10.1.0.0/16", WORST_METRIC),
    route("10.1.0.0/16", 5, "10.0.8.1"),
  ];
  return {
    ...common,
    link: {
      kind: "wireguard",
      alias: random.pick(["", LINK_ALIAS]),
      mtu: random.pick([1420, 1440]),
      up: random.chance(0.8),
    },
    device: {
      publicKey: [null, OWN_KEY, testKey(8)][random.below(3)] ?? null,
      listenPort: random.pick([0, 7838]),
    },
    addresses: random.shuffle(
      ["10.0.9.1", "10.0.8.1", "fd00::9:0:0:1", "fd00::8:0:0:1"],
    ).slice(random.below(4)).map((one) => hostPrefix(parseAddress(one))),
    routes: random.shuffle([
      ...dead,
      ...distinct(random.shuffle(ours).slice(random.below(5))),
    ]),
    peers: foundPeers(random),
  };
}

function distinct(routes: readonly Route[]): readonly Route[] {
  return routes.filter(({ destination, metric }, at) =>
    !routes.slice(0, at).some((other) =>
      other.destination === destination && other.metric === metric
    )
  );
}

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
