/**
 * The path between two Nodes, hop by hop, there and back, and where it breaks:
 * facts in, sentences out.
 *
 * @module
 */

import type { Evidence } from "./check.ts";
import {
  BEFORE_TUNNEL,
  type PairFacts,
  peerOf,
  type Side,
} from "./pair_facts.ts";
import { agentHop, linkHop, nodeHop } from "./pair_hops.ts";
import { machineHops } from "./pair_machine.ts";
import { peerHop } from "./pair_peer.ts";
import { handshakeHop, probeHop } from "./pair_tunnel.ts";

/**
 * - `good`: as it should be
 * - `warning`: worth a word, and no break by itself
 * - `broken`: nothing comes past it
 * - `unknown`: it could not be asked
 */
export type Grade = "good" | "warning" | "broken" | "unknown";

export type HopCode =
  | "node"
  | "agent"
  | "link"
  | "peer"
  | "handshake"
  | "probe"
  | "machine";

export interface Hop {
  readonly code: HopCode;
  /** On which Node it was seen. */
  readonly at: string;
  readonly grade: Grade;
  readonly sentence: string;
  readonly evidence: readonly Evidence[];
  /** What to do; "": nothing. */
  readonly cure: string;
  /** Of `machine`: the check that has found it. */
  readonly check?: string;
}

/** Packets from one Node's pods to the other's, as the first one's side has it. */
export interface Way {
  readonly from: string;
  readonly to: string;
  readonly hops: readonly Hop[];
}

export interface Verdict {
  readonly grade: "stands" | "broken" | "unknown";
  /** Where it breaks first, and by which side. */
  readonly sentence: string;
  readonly cure: string;
}

export interface Explanation {
  readonly verdict: Verdict;
  /** There, and back. */
  readonly ways: readonly [Way, Way];
}

/** The two ends as one way sees them. */
export interface Ends {
  readonly me: Side;
  readonly other: Side;
  /** Of the public key. */
  readonly annotation: string;
}

export function explainPair({ a, b, annotation }: PairFacts): Explanation {
  const there = wayOf({ me: a, other: b, annotation });
  const back = wayOf({ me: b, other: a, annotation });
  return { verdict: verdictOf(there, back, { a, b }), ways: [there, back] };
}

function wayOf(ends: Ends): Way {
  const { me, other } = ends;
  return {
    from: me.node.name,
    to: other.node.name,
    hops: [
      nodeHop(ends),
      agentHop(ends),
      ...[linkHop(ends), peerHop(ends), handshakeHop(ends), probeHop(ends)]
        .flatMap((hop) => hop ?? []),
      ...machineHops(ends),
    ],
  };
}

/** What comes first is the cause of what comes after it. */
function stageOf({ code, check = "" }: Hop): number {
  switch (code) {
    case "node":
      return 0;
    case "agent":
      return 1;
    case "link":
      return 2;
    case "peer":
      return 3;
    case "machine":
      return BEFORE_TUNNEL.includes(check) ? 4 : 7;
    case "probe":
      return 5;
    case "handshake":
      return 6;
  }
}

function verdictOf(
  there: Way,
  back: Way,
  { a, b }: Pick<PairFacts, "a" | "b">,
): Verdict {
  const names = `${a.node.name} and ${b.node.name}`;
  const hops = [...there.hops, ...back.hops]
    .toSorted((one, next) => stageOf(one) - stageOf(next));
  const broken = hops.find(({ grade }) => grade === "broken");
  if (broken !== undefined) {
    const { at, code, sentence, cure } = broken;
    return {
      grade: "broken",
      sentence: `The path between ${names} breaks first ${
        PLACES[code]
      } ${at}: ${sentence}`,
      cure,
    };
  }
  const trips = [[a, b], [b, a]].map(([from, to]) =>
    from === undefined || to === undefined
      ? null
      : peerOf(from, to.node.name)?.probe?.roundTripMs ?? null
  );
  const unknown = hops.find(({ grade }) => grade === "unknown");
  if (unknown !== undefined) {
    const answered = [a, b].find((_, at) => trips[at] !== null);
    const tunnel = answered === undefined
      ? ""
      : `; the tunnel itself carries packets both ways, as ${answered.node.name}'s probe shows`;
    return {
      grade: "unknown",
      sentence:
        `Cannot tell whether the path between ${names} stands: ${unknown.sentence}${tunnel}`,
      cure: unknown.cure,
    };
  }
  const count = hops.filter(({ grade }) => grade === "warning").length;
  const words = count === 0
    ? ""
    : `; ${count} ${count === 1 ? "thing is" : "things are"} worth a look`;
  return {
    grade: "stands",
    sentence: `The path between ${names} stands, there (${
      trips[0] ?? "?"
    } ms) and back (${trips[1] ?? "?"} ms)${words}`,
    cure: "",
  };
}

const PLACES: Readonly<Record<HopCode, string>> = {
  node: "at the Node object of",
  agent: "at the agent of",
  link: "at the link of",
  peer: "at the peers of",
  machine: "at the machine of",
  handshake: "in the tunnel from",
  probe: "in the tunnel from",
};
