/**
 * States of a node's network out of a small world: as hands and crashes leave
 * them, and as they should be.
 *
 * @module
 */

import {
  hostPrefix,
  overlaps,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../mod/core/address.ts";
import type { Candidate } from "../../mod/core/candidate.ts";
import type { PublicKey } from "../../mod/core/key.ts";
import { peerOf, settle } from "../../mod/core/ownership.ts";
import {
  LINK_ALIAS,
  type Peer,
  type Route,
  ROUTE_PROTOCOL,
  type State,
  WORST_METRIC,
} from "../../mod/core/state.ts";
import { testKey } from "./nodes.ts";
import type { Random } from "./random.ts";

export const LINK = "clusternet";
export const OWN_KEY = testKey(0);
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

export function wanted(random: Random, found: State): State {
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

export function found(random: Random): State {
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
