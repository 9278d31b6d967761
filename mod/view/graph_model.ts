/**
 * What a picture of the tunnels shows: Nodes, and between two of them what those
 * that could be asked say of each other. From one status or from many; how it
 * is drawn is for others.
 *
 * @module
 */

import type { PeerState } from "../core/peer_state.ts";
import type { PeerStatus, Status } from "../core/status.ts";
import { bytesText, durationText } from "./units.ts";

/** Of `Graph.schema`. */
export const GRAPH_SCHEMA = 1;

/** `absent`: one of the two does not have the other as a peer. Worst first. */
export const TUNNEL_STATES = ["down", "absent", "idle", "up"] as const;

export type TunnelState = PeerState | "absent";

/** What one Node's agent has said. */
export interface Report {
  readonly node: string;
  /** `undefined`: it could not be asked. */
  readonly status: Status | undefined;
  /** Why not; "" where it could. */
  readonly why: string;
}

export interface GraphNode {
  readonly name: string;
  /** `asked`: its agent told us; `silent`: it could not be asked; `seen`: others speak of it. */
  readonly kind: "asked" | "silent" | "seen";
  /** Does its agent say that all is well? `null`: it said nothing. */
  readonly ready: boolean | null;
  /** "OK, 12 peers", or why it could not be asked, or "". */
  readonly text: string;
}

export interface Tunnel {
  /** Places in `nodes`; the first is the smaller one. */
  readonly a: number;
  readonly b: number;
  /** The worse one, where both have said something. */
  readonly state: TunnelState;
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
  const report = { node: status.node.name, status, why: "" };
  return graphOf([report], {
    title: `Tunnels of ${status.node.name}`,
    time: status.time,
  });
}

export function graphOf(
  reports: readonly Report[],
  { title, time }: { readonly title: string; readonly time: string },
): Graph {
  const asked = new Map(reports.map((report) => [report.node, report]));
  const names = [...namesIn(reports)].sort();
  const places = new Map(names.map((name, at) => [name, at]));
  const tunnels = new Map<number, Tunnel>();
  for (const { node, status } of reports) {
    const from = places.get(node);
    if (from === undefined || status === undefined) continue;
    for (const said of sayings(status)) {
      const to = places.get(said.name);
      if (to === undefined || to === from) continue;
      const key = Math.min(from, to) * names.length + Math.max(from, to);
      tunnels.set(key, merged(tunnels.get(key), tunnelFrom(said, from, to)));
    }
  }
  return {
    schema: GRAPH_SCHEMA,
    title,
    time,
    nodes: names.map((name) => nodeOf(name, asked.get(name))),
    tunnels: [...tunnels].sort(([a], [b]) => a - b).map(([, one]) => one),
  };
}

/** A peer whose Node is not known goes by its key. */
function nameOf({ node, publicKey }: PeerStatus): string {
  return node ?? `key ${publicKey}`;
}

function namesIn(reports: readonly Report[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { node, status } of reports) {
    names.add(node);
    for (const peer of status?.peers ?? []) names.add(nameOf(peer));
    for (const finding of status?.findings ?? []) names.add(finding.node);
  }
  return names;
}

function nodeOf(name: string, report: Report | undefined): GraphNode {
  if (report === undefined) {
    return { name, kind: "seen", ready: null, text: "" };
  }
  const { status, why } = report;
  if (status === undefined) {
    return { name, kind: "silent", ready: null, text: why };
  }
  const { ready, text } = status.health;
  return { name, kind: "asked", ready, text };
}

interface Saying {
  readonly name: string;
  readonly state: TunnelState;
  readonly handshakeSeconds: number | null;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly why: string;
}

function* sayings(status: Status): Generator<Saying> {
  for (const peer of status.peers) {
    const { state, handshakeSeconds, sentBytes, receivedBytes } = peer;
    const failure = state === "down" ? peer.probe?.failure ?? "" : "";
    const why = failure === "" ? "" : `${status.node.name}: ${failure}`;
    const name = nameOf(peer);
    yield { name, state, handshakeSeconds, sentBytes, receivedBytes, why };
  }
  for (const { node, peer, reasons } of status.findings) {
    if (peer) continue;
    yield {
      name: node,
      state: "absent",
      handshakeSeconds: null,
      sentBytes: 0,
      receivedBytes: 0,
      why: reasons.map(({ text }) => text).join("; "),
    };
  }
}

function tunnelFrom(said: Saying, from: number, to: number): Tunnel {
  const { state, handshakeSeconds, sentBytes, receivedBytes, why } = said;
  const forth = from < to;
  return {
    a: forth ? from : to,
    b: forth ? to : from,
    state,
    handshakeSeconds,
    aToBBytes: forth ? sentBytes : receivedBytes,
    bToABytes: forth ? receivedBytes : sentBytes,
    why,
  };
}

function merged(one: Tunnel | undefined, other: Tunnel): Tunnel {
  if (one === undefined) return other;
  const ages = [one.handshakeSeconds, other.handshakeSeconds]
    .filter((age) => age !== null);
  return {
    ...one,
    state: worst([one.state, other.state]),
    handshakeSeconds: ages.length === 0 ? null : Math.min(...ages),
    aToBBytes: Math.max(one.aToBBytes, other.aToBBytes),
    bToABytes: Math.max(one.bToABytes, other.bToABytes),
    why: [...new Set([one.why, other.why])].filter((why) => why !== "")
      .join("; "),
  };
}

function worst(states: readonly TunnelState[]): TunnelState {
  return TUNNEL_STATES.find((state) => states.includes(state)) ?? "up";
}

/** Is it one that somebody has to look at? */
export function isBroken({ state }: Tunnel): boolean {
  return state === "down" || state === "absent";
}

/** "12 s", or "never". */
export function ageText(handshakeSeconds: number | null): string {
  return handshakeSeconds === null ? "never" : durationText(handshakeSeconds);
}

/** "up, handshake 12 s ago, 3.40 MiB" */
export function tunnelText(
  { state, handshakeSeconds, aToBBytes, bToABytes, why }: Tunnel,
): string {
  if (state === "absent") return why === "" ? "no peer" : `no peer: ${why}`;
  const age = handshakeSeconds === null
    ? "no handshake"
    : `handshake ${ageText(handshakeSeconds)} ago`;
  const text = `${state}, ${age}, ${bytesText(aToBBytes + bToABytes)}`;
  return why === "" ? text : `${text}: ${why}`;
}

/** How many there are of each state, those that there are none of left out: "2 up, 1 down". */
export function countsText({ tunnels }: Graph): string {
  const counts = TUNNEL_STATES.map((state) => ({
    state,
    count: tunnels.filter((tunnel) => tunnel.state === state).length,
  })).filter(({ count }) => count > 0).reverse();
  if (counts.length === 0) return "no tunnels";
  return counts.map(({ state, count }) =>
    `${count} ${state === "absent" ? "no peer" : state}`
  ).join(", ");
}

/** What the picture says, for those who do not see it. The broken ones first, by name. */
export function graphText(graph: Graph): string {
  const { nodes, tunnels } = graph;
  const broken = tunnels.filter(isBroken);
  const named = broken.slice(0, TOLD).map((tunnel) =>
    `${nodes[tunnel.a]?.name} and ${nodes[tunnel.b]?.name}: ${
      tunnelText(tunnel)
    }.`
  );
  const silent = nodes.filter(({ kind }) => kind === "silent");
  return [
    `${nodes.length} Nodes, ${tunnels.length} tunnels: ${countsText(graph)}.`,
    ...named,
    ...broken.length > TOLD ? [`And ${broken.length - TOLD} more.`] : [],
    ...silent.slice(0, TOLD).map(({ name, text }) =>
      `${name} could not be asked: ${text}.`
    ),
  ].join(" ");
}

/** Of the broken ones as many are named. */
export const TOLD = 20;
