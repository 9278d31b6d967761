/**
 * What a picture of the tunnels shows: Nodes, and between two of them what those
 * that could be asked say of each other. From one status or from many; how it
 * is drawn is for others.
 *
 * @module
 */

import {
  type ClusterView,
  isBreak,
  type NodeAnswer,
  type Opinion,
  Opinions,
  peerName,
} from "../core/cluster_view.ts";
import type { PeerState } from "../core/peer_state.ts";
import type { Status } from "../core/status.ts";
import { opinionText } from "./opinion_text.ts";

/** Of `Graph.schema`. */
export const GRAPH_SCHEMA = 1;

/** `absent`: one of the two does not have the other as a peer. Worst first. */
export const TUNNEL_STATES = ["down", "absent", "idle", "up"] as const;

export type TunnelState = PeerState | "absent";

/** What one Node's agent has said, or why it could not be asked. */
export interface Report {
  readonly node: string;
  readonly answer: NodeAnswer;
}

export interface GraphNode {
  readonly name: string;
  /** `asked`: its agent told us; `silent`: it could not be asked; `seen`: others speak of it. */
  readonly kind: "asked" | "silent" | "seen";
  /** Does its agent say that all is well? `null`: it said nothing. */
  readonly ready: boolean | null;
  /** "OK, 12 peers", or why it could not be asked, or "". */
  readonly text: string;
  /** Does another that was asked have it as a peer? `null`: no other was asked. */
  readonly peer: boolean | null;
  /** Why nobody has it as a peer, in a sentence; "" where somebody has. */
  readonly reason: string;
}

export interface Tunnel {
  /** Places in `nodes`; the first is the smaller one. */
  readonly a: number;
  readonly b: number;
  /** The worse one, where both have said something. */
  readonly state: TunnelState;
  /** What `a` says of `b`, and `b` of `a`. */
  readonly aSays: Opinion;
  readonly bSays: Opinion;
  /** Since the youngest handshake. `null`: there has been none. */
  readonly handshakeSeconds: number | null;
  /** Bytes from `a` to `b` and back, as the one who knows of more of them has it. */
  readonly aToBBytes: number;
  readonly bToABytes: number;
  /** Why it is broken, in sentences; "" where nothing is amiss. */
  readonly why: string;
}

export interface Graph {
  readonly schema: number;
  readonly title: string;
  /** RFC 3339, UTC. */
  readonly time: string;
  /** Sorted by name. */
  readonly nodes: readonly GraphNode[];
  /** Sorted by both places. Two Nodes of which neither was asked have none. */
  readonly tunnels: readonly Tunnel[];
}

export function graphOfOne(status: Status): Graph {
  const answer = { kind: "status", status } as const;
  return graphOf([{ node: status.node.name, answer }], {
    title: `Tunnels of ${status.node.name}`,
    time: status.time,
  });
}

export function graphOfCluster({ nodes, server, time }: ClusterView): Graph {
  const reports = nodes.map(({ node, answer }) => ({
    node: node.name,
    answer,
  }));
  return graphOf(reports, { title: `Tunnels of ${server}`, time });
}

export function graphOf(
  reports: readonly Report[],
  { title, time }: { readonly title: string; readonly time: string },
): Graph {
  const asked = new Map(reports.map((report) => [report.node, report]));
  const ends = [...namesIn(reports)].sort().map((name): End => {
    const report = asked.get(name);
    const opinions = report === undefined ? undefined : new Opinions(report);
    return { name, report, opinions };
  });
  const tunnels = [...tunnelsOf(ends)];
  const outcasts = outcastsOf(ends, tunnels);
  return {
    schema: GRAPH_SCHEMA,
    title,
    time,
    nodes: ends.map((end, at) => ({ ...nodeOf(end), ...outcasts[at] ?? FREE })),
    tunnels,
  };
}

function namesIn(reports: readonly Report[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { node, answer } of reports) {
    names.add(node);
    if (answer.kind === "none") continue;
    for (const peer of answer.status.peers) names.add(peerName(peer));
    for (const finding of answer.status.findings) names.add(finding.node);
  }
  return names;
}

interface End {
  readonly name: string;
  /** `undefined`: others speak of it. */
  readonly report: Report | undefined;
  readonly opinions: Opinions | undefined;
}

function nodeOf(
  { name, report }: End,
): Pick<GraphNode, "name" | "kind" | "ready" | "text"> {
  if (report === undefined) {
    return { name, kind: "seen", ready: null, text: "" };
  }
  const { answer } = report;
  if (answer.kind === "none") {
    return { name, kind: "silent", ready: null, text: answer.why };
  }
  const { ready, text } = answer.status.health;
  return { name, kind: "asked", ready, text };
}

function* tunnelsOf(ends: readonly End[]): Generator<Tunnel> {
  for (const [a, one] of ends.entries()) {
    for (let b = a + 1; b < ends.length; b++) {
      const other = ends[b];
      if (other === undefined) continue;
      const aSays = saying(one, other);
      const bSays = saying(other, one);
      if (isSaid(aSays) || isSaid(bSays)) {
        yield tunnelOf([one, other], { a, b, aSays, bSays });
      }
    }
  }
}

const NOT_ASKED: Opinion = { word: "unasked", why: "" };

/** Of one that is no Node nobody says that it is missing. */
function saying({ opinions }: End, { name, report }: End): Opinion {
  if (opinions === undefined) return NOT_ASKED;
  return report === undefined && !opinions.knows(name)
    ? NOT_ASKED
    : opinions.of(name);
}

function isSaid({ word }: Opinion): boolean {
  return word !== "unasked";
}

function tunnelOf(
  [one, other]: readonly [End, End],
  said: Pick<Tunnel, "a" | "b" | "aSays" | "bSays">,
): Tunnel {
  const { aSays, bSays } = said;
  const forth = one.opinions?.peer(other.name);
  const back = other.opinions?.peer(one.name);
  const ages = [forth, back].flatMap((peer) => peer?.handshakeSeconds ?? []);
  return {
    ...said,
    state:
      TUNNEL_STATES.find((state) =>
        state === aSays.word || state === bSays.word
      ) ?? "up",
    handshakeSeconds: ages.length === 0 ? null : Math.min(...ages),
    aToBBytes: most(forth?.sentBytes, back?.receivedBytes),
    bToABytes: most(forth?.receivedBytes, back?.sentBytes),
    why: whyOf([one, other], said),
  };
}

function most(...counts: readonly (number | undefined)[]): number {
  return Math.max(...counts.map((count) => count ?? 0));
}

/** Where both were to be asked, what each says; else what the one says. */
function whyOf(
  [one, other]: readonly [End, End],
  { aSays, bSays }: Pick<Tunnel, "aSays" | "bSays">,
): string {
  const broken = [aSays, bSays].filter(isBreak);
  const [first] = broken;
  if (first === undefined) return "";
  if (one.report !== undefined && other.report !== undefined) {
    return `${one.name} says ${opinionText(aSays)}; ${other.name} says ${
      opinionText(bSays)
    }`;
  }
  const teller = one.report === undefined ? other : one;
  if (first.word === "absent" || first.why === "") return first.why;
  return `${teller.name}: ${first.why}`;
}

type Standing = Pick<GraphNode, "peer" | "reason">;

const FREE: Standing = { peer: null, reason: "" };

/** In the order of the Nodes: whether anybody has them as a peer, and why not. */
function outcastsOf(
  ends: readonly End[],
  tunnels: readonly Tunnel[],
): readonly Standing[] {
  const said = ends.map((): Opinion[] => []);
  for (const { a, b, aSays, bSays } of tunnels) {
    if (isSaid(aSays)) said[b]?.push(aSays);
    if (isSaid(bSays)) said[a]?.push(bSays);
  }
  return said.map((opinions) => {
    if (opinions.length === 0) return FREE;
    const peer = opinions.some(({ word }) => word !== "absent");
    return { peer, reason: peer ? "" : commonest(opinions) };
  });
}

function commonest(opinions: readonly Opinion[]): string {
  const counts = Map.groupBy(opinions, ({ why }) => why);
  const [most = ["", []]] = [...counts]
    .sort(([a, some], [b, others]) =>
      others.length - some.length || (a < b ? -1 : 1)
    );
  return most[0];
}

/** Is it one that somebody has to look at? */
export function isBroken({ state }: Pick<Tunnel, "state">): boolean {
  return state === "down" || state === "absent";
}

/**
 * Where many were asked, a Node that is nobody's peer is told of once, and not
 * by a line from each.
 */
export function isOutcast(graph: Graph, node: GraphNode): boolean {
  return node.peer === false && isMesh(graph);
}

/** Was more than one Node to be asked? */
export function isMesh({ nodes }: Graph): boolean {
  let reported = 0;
  for (const { kind } of nodes) {
    if (kind !== "seen" && ++reported > 1) return true;
  }
  return false;
}

/** Those that are drawn as lines, and told one by one: without those of outcasts. */
export function linesOf(graph: Graph): readonly Tunnel[] {
  const outcast = graph.nodes.map((node) => isOutcast(graph, node));
  return graph.tunnels.filter(({ a, b }) => !outcast[a] && !outcast[b]);
}
