/**
 * All agents' views side by side, for a person in front of a terminal: of a few
 * Nodes each, of many what is amiss, and how much more there is of it.
 *
 * @module
 */

import {
  type BreakDigest,
  type ClusterView,
  digestOf,
  type NodeView,
} from "../core/cluster_view.ts";
import type { PeerState } from "../core/peer_state.ts";
import { largest, moreOf, NAMES, SHOWN, silentText } from "./many_text.ts";
import { opinionText } from "./opinion_text.ts";
import type { TextOptions } from "./status_text.ts";
import { type Column, table } from "./table.ts";
import { fold, type Paint, shown } from "./text.ts";
import { countText } from "./units.ts";

/** Nodes that all have their row. */
const ALL_ROWS = 100;

export interface ClusterText {
  /** Have all been asked, is each healthy, and can all reach each other? */
  readonly healthy: boolean;
  /** Without line ends. */
  readonly lines: readonly string[];
}

export function clusterText(
  view: ClusterView,
  options: TextOptions,
): ClusterText {
  const { paint } = options;
  const { nodes } = view;
  const digest = digestOf(view.breaks(), { most: SHOWN });
  const healthy = isClusterHealthy(nodes, digest);
  const asked = nodes.some(({ answer }) => answer.kind === "status");
  const verdict = healthy ? paint.good("healthy") : paint.bad("not healthy");
  return {
    healthy,
    lines: [
      `${paint.bold(shown(view.head.server))}  ${verdict}`,
      "",
      ...nodesOf(nodes, options),
      ...silentText("Not asked", silentIn(nodes), options),
      ...problemsOf(nodes, options),
      ...(asked ? breaksOf(digest, options) : []),
    ],
  };
}

export function isClusterHealthy(
  nodes: readonly NodeView[],
  { count }: Pick<BreakDigest, "count">,
): boolean {
  return nodes.every(isWell) && count === 0;
}

function isWell({ answer }: NodeView): boolean {
  return answer.kind === "status" && answer.ready && answer.peers.down === 0;
}

function nodesOf(
  nodes: readonly NodeView[],
  options: TextOptions,
): readonly string[] {
  const columns = nodeColumns(options.paint);
  if (nodes.length <= ALL_ROWS) return table(columns, nodes, options);
  const { width } = options;
  const told = nodes.flatMap(({ answer }) =>
    answer.kind === "status" ? [answer] : []
  );
  const ready = told.filter((answer) => answer.ready).length;
  const silent = nodes.length - told.length;
  const counts = [
    `${countText(ready)} ready`,
    ...some(told.length - ready, "not ready"),
    ...some(silent, "gave no answer"),
  ];
  // Of one that was not asked there is nothing to show in a row.
  const amiss = nodes.filter((view) =>
    view.answer.kind === "status" && !isWell(view)
  ).sort((a, b) => badness(b) - badness(a));
  const rows = table(columns, amiss.slice(0, SHOWN), options);
  const versions = Map.groupBy(told, ({ version }) => version);
  return [
    ...fold(`${countText(nodes.length)} Nodes: ${counts.join(", ")}`, {
      ...{ width, lead: "" },
    }),
    ...versions.size === 0 ? [] : fold(
      `Versions: ${
        largest(versions).map(([version, { length }]) =>
          `${version} (${countText(length)})`
        ).join(", ")
      }`,
      { width, lead: "" },
    ),
    ...rows.length === 0 ? [] : ["", ...rows],
    ...moreOf(amiss.length, "Nodes with something amiss"),
  ];
}

/** Those that are not ready before those that miss many. */
function badness({ answer }: NodeView): number {
  if (answer.kind === "none") return 0;
  return (answer.ready ? 0 : 1e9) + answer.peers.down;
}

function some(count: number, what: string): readonly string[] {
  return count === 0 ? [] : [`${countText(count)} ${what}`];
}

function nodeColumns(paint: Paint): readonly Column<NodeView>[] {
  const count = (state: PeerState): Column<NodeView> => ({
    title: state.toUpperCase(),
    rank: state === "down" ? 1 : 2,
    right: true,
    cell: ({ answer }) =>
      answer.kind === "none" ? "?" : String(answer.peers[state]),
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
        answer.kind === "none" ? "?" : String(answer.notPeers),
    },
    {
      title: "VERSION",
      rank: 5,
      cell: ({ answer }) => answer.kind === "none" ? "?" : answer.version,
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
  return answer.ready ? "yes" : "no";
}

function silentIn(
  nodes: readonly NodeView[],
): Parameters<typeof silentText>[1] {
  return nodes.flatMap(({ answer, node: { name } }) =>
    answer.kind === "none" ? [{ name, why: answer.why }] : []
  );
}

function problemsOf(
  nodes: readonly NodeView[],
  { paint, width }: TextOptions,
): readonly string[] {
  const problems = nodes.flatMap(({ node: { name }, answer }) =>
    answer.kind === "none"
      ? []
      : answer.problems.map((text) => `${name}: ${text}`)
  );
  if (problems.length === 0) return [];
  return [
    "",
    paint.bold("Problems"),
    ...problems.slice(0, SHOWN).flatMap((text) =>
      fold(text, { width, lead: "- " })
    ),
    ...moreOf(problems.length, "problems"),
  ];
}

function breaksOf(
  { count, often, some }: BreakDigest,
  { paint, width }: TextOptions,
): readonly string[] {
  if (count === 0) {
    return ["", "Every Node that was asked reaches every other."];
  }
  const worst = often.slice(0, NAMES).map(([name, pairs]) =>
    `${name} (${countText(pairs)})`
  );
  const hint = `In most of these pairs: ${worst.join(", ")}`;
  return [
    "",
    paint.bold(`Who cannot reach whom: ${countText(count)}`),
    ...(count > SHOWN ? fold(hint, { width, lead: "" }) : []),
    ...some.flatMap(({ a, b, aSays, bSays }) => [
      ...fold(`${a} and ${b}`, { width, lead: "! " }).map(paint.bad),
      ...fold(`${a} says: ${opinionText(aSays)}`, { width, lead: "  " }),
      ...fold(`${b} says: ${opinionText(bSays)}`, { width, lead: "  " }),
    ]),
    ...moreOf(count, "pairs"),
  ];
}
