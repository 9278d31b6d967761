/**
 * The status of one agent for a person in front of a terminal.
 *
 * @module
 */

import type { FindingStatus, PeerStatus, Status } from "../core/status.ts";
import { type Column, table, type TableOptions } from "./table.ts";
import { fold, type Paint, shown } from "./text.ts";
import { bytesText, durationText } from "./units.ts";

/** As for a table: the terminal's width, and whether it has colours. */
export type TextOptions = TableOptions;

/** Does all stand: is the agent ready, and no peer down? */
export function isHealthy({ health, peers }: Status): boolean {
  return health.ready && !peers.some(({ state }) => state === "down");
}

/** Lines without line ends. */
export function statusText(
  status: Status,
  options: TextOptions,
): readonly string[] {
  return [
    ...headOf(status, options),
    ...peersOf(status, options),
    ...findingsOf(status, options),
  ];
}

function headOf(status: Status, options: TextOptions): readonly string[] {
  const { health, node } = status;
  const { paint, width } = options;
  const good = isHealthy(status);
  const lines = [
    `${paint.bold(shown(node.name))}  ${
      good ? paint.good("healthy") : paint.bad("not healthy")
    }`,
  ];
  const say = (key: string, text: string): void => {
    lines.push(...fold(text, { width, lead: `  ${key.padEnd(9)} ` }));
  };
  say("agent", agentText(status));
  for (const problem of health.problems) say("problem", problem);
  if (health.problems.length === 0) say("says", health.text);
  say("addresses", node.internalIps.join(", ") || "none");
  say("podCIDRs", node.podCidrs.join(", ") || "none");
  say("key", keyText(status));
  say("link", linkText(status));
  say("API", apiText(status));
  say("turn", turnText(status));
  return lines;
}

function agentText({ version, startedAt, time }: Status): string {
  const seconds = (Date.parse(time) - Date.parse(startedAt)) / 1_000;
  return `${version}, for ${durationText(seconds || 0)}`;
}

function keyText({ key }: Status): string {
  const { annotation, published, publicKey } = key;
  if (published === publicKey) return `${publicKey}, published`;
  return published === null
    ? `${publicKey}, not published (${annotation})`
    : `${publicKey}, but the Node says ${published} (${annotation})`;
}

function linkText({ link }: Status): string {
  if (link === null) return "none";
  return [
    `${link.name} ${link.up ? "up" : "DOWN"}`,
    link.backend,
    `MTU ${link.mtu ?? "unknown"}`,
    `UDP ${link.listenPort}`,
    ...link.addresses,
  ].join(", ");
}

function apiText({ api }: Status): string {
  const { error, nodes, server, silentSeconds, synced } = api;
  const parts = [server, `${nodes} ${nodes === 1 ? "Node" : "Nodes"}`];
  if (!synced) parts.push("no complete list yet");
  if (silentSeconds !== null) parts.push(`heard ${ago(silentSeconds)}`);
  if (error !== null) parts.push(error);
  return parts.join(", ");
}

function turnText({ turn }: Status): string {
  if (turn === null) return "none yet";
  const { agoSeconds, applied, milliseconds, problems, scope } = turn;
  const steps = `${applied} ${applied === 1 ? "step" : "steps"}`;
  return [
    `${ago(agoSeconds)} (${scope}), ${steps}, ${Math.round(milliseconds)} ms`,
    ...problems,
  ].join("; ");
}

function ago(seconds: number): string {
  return seconds < 1 ? "just now" : `${durationText(seconds)} ago`;
}

export function stateColour(
  state: PeerStatus["state"],
  paint: Paint,
): (text: string) => string {
  switch (state) {
    case "up":
      return paint.good;
    case "idle":
      return paint.warn;
    case "down":
      return paint.bad;
  }
}

function peerColumns(paint: Paint): readonly Column<PeerStatus>[] {
  return [
    { title: "NODE", rank: 0, cell: nameOf },
    {
      title: "STATE",
      rank: 0,
      cell: ({ state }) => state,
      paint: ({ state }) => stateColour(state, paint),
    },
    {
      title: "HANDSHAKE",
      rank: 1,
      cell: ({ handshakeSeconds }) =>
        handshakeSeconds === null ? "never" : ago(handshakeSeconds),
    },
    { title: "ENDPOINT", rank: 2, cell: ({ endpoint }) => endpoint ?? "none" },
    {
      title: "PODCIDRS",
      rank: 3,
      cell: ({ podCidrs }) => podCidrs.join(",") || "none",
    },
    {
      title: "SENT",
      rank: 4,
      right: true,
      cell: ({ sentBytes }) => bytesText(sentBytes),
    },
    {
      title: "RECEIVED",
      rank: 4,
      right: true,
      cell: ({ receivedBytes }) => bytesText(receivedBytes),
    },
    {
      title: "PROBE",
      rank: 5,
      right: true,
      cell: ({ probe }) =>
        probe?.roundTripMs === undefined || probe.roundTripMs === null
          ? "-"
          : `${probe.roundTripMs} ms`,
    },
  ];
}

function nameOf({ node, publicKey }: PeerStatus): string {
  return node ?? `(${publicKey})`;
}

function peersOf(
  { peers }: Status,
  options: TextOptions,
): readonly string[] {
  const { paint, width } = options;
  const counts = (["up", "idle", "down"] as const).map((state) => ({
    state,
    count: peers.filter((peer) => peer.state === state).length,
  })).filter(({ count }) => count > 0);
  const tally = counts.map(({ state, count }) => `${count} ${state}`);
  const down = peers.filter(({ state }) => state === "down");
  return [
    "",
    paint.bold(["Peers: " + peers.length, ...tally].join(", ")),
    ...table(peerColumns(paint), peers, options),
    ...down.flatMap((peer) => {
      const why = peer.probe?.failure ?? "";
      const text = `${nameOf(peer)}: ${why || "what was sent got no answer"}`;
      return fold(text, { width, lead: "! " }).map(paint.bad);
    }),
  ];
}

function findingsOf(
  { findings }: Status,
  { paint, width }: TextOptions,
): readonly string[] {
  const list = (
    title: string,
    some: readonly FindingStatus[],
  ): readonly string[] =>
    some.length === 0 ? [] : [
      "",
      paint.bold(`${title}: ${some.length}`),
      ...some.flatMap(({ node, reasons }) =>
        reasons.flatMap(({ text }) =>
          fold(`${node}: ${text}`, { width, lead: "- " })
        )
      ),
    ];
  return [
    ...list("Not peers", findings.filter(({ peer }) => !peer)),
    ...list("Peers in part", findings.filter(({ peer }) => peer)),
  ];
}
