/**
 * What it costs the agent to be asked: its server, /metrics with and without
 * series for each peer, the page. Each row beside an agent that serves nothing,
 * in the same cluster and the same run.
 *
 * @module
 */

import assert from "node:assert/strict";
import { BigCluster, pause } from "../lab/big_cluster.ts";
import { megabytes } from "../support/process_figures.ts";

export interface AskedRow {
  readonly what: string;
  readonly anonymousBytes: number;
  /** Milliseconds of an answer; `undefined`: nobody asked. */
  readonly answerMs: number | undefined;
  /** Of the last answers together. */
  readonly answerBytes: number;
}

interface Asking {
  readonly what: string;
  readonly paths: readonly string[];
  /** How often one after the other. */
  readonly times: number;
}

const ADDRESS = "http://127.0.0.1:7839";

/** Milliseconds after which what came before has been worked off. */
const SETTLE_MS = 1_500;

const AGAIN = 20;

/** Of everything that a browser asks for, again and again. */
const PAGE = ["/", "/v1/status", "/v1/history", "/v1/graph.svg"];

/** An agent each: what one has imported, the next has not. */
const AGENTS: readonly {
  readonly variables: Readonly<Record<string, string>>;
  readonly asked: readonly Asking[];
}[] = [
  {
    variables: { CLUSTERNET_HTTP_ADDRESS: "" },
    asked: [{ what: "no server", paths: [], times: 0 }],
  },
  {
    variables: {},
    asked: [
      { what: "a server, nobody asks", paths: [], times: 0 },
      { what: "/metrics, the first time", paths: ["/metrics"], times: 1 },
      {
        what: `/metrics, ${AGAIN} times more`,
        paths: ["/metrics"],
        times: AGAIN,
      },
    ],
  },
  {
    variables: { CLUSTERNET_METRICS_PER_PEER: "true" },
    asked: [
      { what: "/metrics with peers", paths: ["/metrics"], times: 1 },
      {
        what: `the same, ${AGAIN} times more`,
        paths: ["/metrics"],
        times: AGAIN,
      },
    ],
  },
  {
    variables: {},
    asked: [
      { what: "the page", paths: PAGE, times: 1 },
      { what: `the page, ${AGAIN} times more`, paths: PAGE, times: AGAIN },
    ],
  },
];

/** In a network namespace of its own already. */
export async function measureAsked(
  nodes: number,
): Promise<readonly AskedRow[]> {
  await using cluster = await BigCluster.start({ nodes });
  const rows: AskedRow[] = [];
  // The first has all peers to set; those that are measured find them there.
  await cluster.startAgent();
  await cluster.stopAgent();
  for (const { asked, variables } of AGENTS) {
    await cluster.startAgent(variables);
    await pause(SETTLE_MS);
    for (const asking of asked) rows.push(await ask(cluster, asking));
    await cluster.stopAgent();
  }
  return rows;
}

async function ask(
  cluster: BigCluster,
  { paths, times, what }: Asking,
): Promise<AskedRow> {
  const began = performance.now();
  let answerBytes = 0;
  for (let time = 0; time < times; time++) {
    answerBytes = 0;
    for (const path of paths) {
      const response = await fetch(`${ADDRESS}${path}`);
      const { byteLength } = await response.arrayBuffer();
      assert.equal(response.status, 200, path);
      answerBytes += byteLength;
    }
  }
  const answerMs = times === 0
    ? undefined
    : (performance.now() - began) / times;
  await pause(SETTLE_MS);
  const { anonymousBytes } = cluster.figures();
  return { what, anonymousBytes, answerMs, answerBytes };
}

export function askedText(nodes: number, rows: readonly AskedRow[]): string {
  const base = rows[0]?.anonymousBytes ?? 0;
  const lines = rows.map(({ anonymousBytes, answerBytes, answerMs, what }) =>
    [
      what.padEnd(26),
      megabytes(anonymousBytes).padStart(7),
      `×${(anonymousBytes / base).toFixed(2)}`.padStart(7),
      answerMs === undefined ? "" : `${answerMs.toFixed(0)} ms`.padStart(10),
      answerMs === undefined
        ? ""
        : `${(answerBytes / 1_000).toFixed(0)} kB`.padStart(10),
    ].join(" ").trimEnd()
  );
  return [
    `Asked, with ${nodes} Nodes    own memory  of it     answer      bytes`,
    ...lines,
  ].join("\n");
}
