/**
 * All agents' views side by side, for a person in front of a terminal.
 *
 * @module
 */

import {
  type Break,
  breaks,
  type ClusterView,
  type NodeView,
} from "../core/cluster_view.ts";
import type { PeerState } from "../core/peer_state.ts";
import { opinionText } from "./opinion_text.ts";
import { isHealthy, type TextOptions } from "./status_text.ts";
import { type Column, table } from "./table.ts";
import { fold, type Paint, shown } from "./text.ts";

/** Pairs that are told one by one; a whole rack that is away makes thousands. */
const BREAKS_SHOWN = 50;

/** Have all been asked, is each healthy, and can all reach each other? */
export function isClusterHealthy(view: ClusterView): boolean {
  return view.nodes.every(({ answer }) =>
    answer.kind === "status" && isHealthy(answer.status)
  ) && breaks(view).length === 0;
}

/** Lines without line ends. */
export function clusterText(
  view: ClusterView,
  options: TextOptions,
): readonly string[] {
  const { paint, width } = options;
  const broken = breaks(view);
  const unasked = view.nodes.filter(({ answer }) => answer.kind === "none");
  const verdict = isClusterHealthy(view)
    ? paint.good("healthy")
    : paint.bad("not healthy");
  return [
    `${paint.bold(shown(view.server))}  ${verdict}`,
    "",
    ...table(nodeColumns(paint), view.nodes, options),
    ...(unasked.length === 0
      ? []
      : ["", paint.bold(`Not asked: ${unasked.length}`)]),
    ...unasked.flatMap(({ node, answer }) =>
      fold(`${node.name}: ${answer.kind === "none" ? answer.why : ""}`, {
        width,
        lead: "- ",
      })
    ),
    ...problemsOf(view, options),
    ...(unasked.length < view.nodes.length ? breaksOf(broken, options) : []),
  ];
}

function nodeColumns(paint: Paint): readonly Column<NodeView>[] {
  const count = (state: PeerState): Column<NodeView> => ({
    title: state.toUpperCase(),
    rank: state === "down" ? 1 : 2,
    right: true,
    cell: ({ answer }) =>
      answer.kind === "none"
        ? "?"
        : String(answer.status.peers.filter((p) => p.state === state).length),
  });
  return [
    { title: "NODE", rank: 0, cell: ({ node }) => node.name },
    {
      title: "READY",
      rank: 0,
      cell: readyWord,
      paint: (view) =>
        ({ yes: paint.good, no: paint.bad, "?": paint.warn })[readyWord(view)],
    },
    ...(["up", "idle", "down"] as const).map(count),
    {
      title: "NOT PEERS",
      rank: 3,
      right: true,
      cell: ({ answer }) =>
        answer.kind === "none"
          ? "?"
          : String(answer.status.findings.filter(({ peer }) => !peer).length),
    },
    {
      title: "VERSION",
      rank: 5,
      cell: ({ answer }) =>
        answer.kind === "none" ? "?" : answer.status.version,
    },
    {
      title: "PODCIDRS",
      rank: 4,
      cell: ({ node }) => node.podCidrs.join(",") || "none",
    },
  ];
}

function readyWord({ answer }: NodeView): "yes" | "no" | "?" {
  if (answer.kind === "none") return "?";
  return answer.status.health.ready ? "yes" : "no";
}

function problemsOf(
  { nodes }: ClusterView,
  { paint, width }: TextOptions,
): readonly string[] {
  const lines = nodes.flatMap(({ node, answer }) =>
    answer.kind === "none" ? [] : answer.status.health.problems.flatMap(
      (text) => fold(`${node.name}: ${text}`, { width, lead: "- " }),
    )
  );
  return lines.length === 0 ? [] : ["", paint.bold("Problems"), ...lines];
}

function breaksOf(
  broken: readonly Break[],
  { paint, width }: TextOptions,
): readonly string[] {
  if (broken.length === 0) {
    return ["", "Every Node that was asked reaches every other."];
  }
  const more = broken.length - BREAKS_SHOWN;
  return [
    "",
    paint.bold(`Who cannot reach whom: ${broken.length}`),
    ...broken.slice(0, BREAKS_SHOWN).flatMap(({ a, b, aSays, bSays }) => [
      ...fold(`${a} and ${b}`, { width, lead: "! " }).map(paint.bad),
      ...fold(`${a} says: ${opinionText(aSays)}`, { width, lead: "  " }),
      ...fold(`${b} says: ${opinionText(bSays)}`, { width, lead: "  " }),
    ]),
    ...(more > 0 ? [`… and ${more} more pairs: -o json has all`] : []),
  ];
}
