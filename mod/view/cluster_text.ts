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
import { opinionText } from "./opinion_text.ts";
import type { TextOptions } from "./status_text.ts";
import { type Column, table } from "./table.ts";
import { fold, type Paint, shown } from "./text.ts";
import { countText } from "./units.ts";

/** Nodes that all have their row. */
const ALL_ROWS = 100;

/** Of what is amiss, as many are told one by one; a whole rack that is away makes thousands. */
const SHOWN = 50;

/** Names beside what many have in common. */
const NAMES = 5;

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
      ...unaskedOf(nodes, options),
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

/** @param count of all, of which the first `SHOWN` have been told */
function moreOf(count: number, what: string): readonly string[] {
  return count <= SHOWN
    ? []
    : [`… and ${countText(count - SHOWN)} more ${what}: -o json has all`];
}

/** The largest groups first. */
function largest<Item>(
  groups: ReadonlyMap<string, readonly Item[]>,
): readonly (readonly [name: string, items: readonly Item[]])[] {
  return [...groups].sort(([a, some], [b, others]) =>
    others.length - some.length || (a < b ? -1 : 1)
  );
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

/** Each by itself, or of many how many have the same reason. */
function unaskedOf(
  nodes: readonly NodeView[],
  { paint, width }: TextOptions,
): readonly string[] {
  const silent = nodes.flatMap(({ answer, node: { name } }) =>
    answer.kind === "none" ? [{ name, why: answer.why }] : []
  );
  if (silent.length === 0) return [];
  const title = paint.bold(`Not asked: ${countText(silent.length)}`);
  const line = (text: string): readonly string[] =>
    fold(text, { width, lead: "- " });
  if (silent.length <= SHOWN) {
    const lines = silent.flatMap(({ name, why }) => line(`${name}: ${why}`));
    return ["", title, ...lines];
  }
  const groups = largest(Map.groupBy(silent, ({ why }) => withoutPlace(why)));
  return [
    "",
    title,
    ...groups.slice(0, SHOWN).flatMap(([why, those]) =>
      line(`${countText(those.length)} (${namesOf(those)}): ${why}`)
    ),
    ...moreOf(groups.length, "reasons"),
  ];
}

/** What many say of their pods, each of its own, is the same. */
function withoutPlace(why: string): string {
  return why.replaceAll(/\bpod [a-z0-9.-]+\/[a-z0-9.-]+/g, "pod");
}

function namesOf(those: readonly { readonly name: string }[]): string {
  const names = those.slice(0, NAMES).map(({ name }) => name).join(", ");
  return those.length > NAMES ? `${names}, …` : names;
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
