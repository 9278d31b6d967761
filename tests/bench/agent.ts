/**
 * What the agent costs, beside a bare Deno process that imports nothing, and one
 * that only reads and parses the same watch as JSON; all with the same flags, in
 * the same run. "json" is the agent that takes Nodes as JSON, "agent" the one that
 * takes them as protobuf. Medians of three; the times of the start are beside those
 * of the watch. Then what it costs to be asked (`asked.ts`), and to ask all agents
 * of a cluster (`cluster.ts`).
 *
 *     deno task bench [--rounds N]
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BigCluster, pause } from "../lab/big_cluster.ts";
import { Child } from "../lab/exec.ts";
import { V8_FLAGS } from "../../deploy/permissions.ts";
import {
  type Figures,
  figuresOf,
  megabytes,
} from "../support/process_figures.ts";
import { skipped } from "../support/skip.ts";
import { askedText, measureAsked } from "./asked.ts";
import { clusterCosts } from "./cluster.ts";

const MARK = "CLUSTERNET_BENCH_NAMESPACE";
const SIZES = [3, 5_000];
const WARM_UPDATES = 20_000;
const UPDATES = 10_000;
/** Milliseconds after which what came before has been worked off. */
const SETTLE_MS = 1_500;
/** Milliseconds: at least one full turn is in it. */
const REST_MS = 33_000;

interface Row {
  readonly nodes: number;
  readonly what: string;
  /** After the start. */
  readonly start: Figures;
  /** After updates that are not counted. */
  readonly warm: Figures;
  /** After no-op updates. */
  readonly end: Figures;
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { rounds: { type: "string", default: "3" } },
  });
  const needs = {
    root: true,
    commands: ["wireguard-go", "ip", "unshare", "nsenter", "setpriv"],
    files: ["/dev/net/tun"],
  };
  if (skipped("bench", needs)) return 1;
  if (Deno.env.get(MARK) !== "1") return await inOwnNamespace(args);
  const rows: Row[] = [];
  const rests = new Map<number, number>();
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const nodes of SIZES) {
      rows.push(await measureJson(nodes));
      const rest = round === 0 ? REST_MS : 0;
      const measured = await measure(nodes, rest);
      rows.push(...measured.rows);
      if (round === 0) rests.set(nodes, measured.restSeconds);
    }
  }
  print(rows, rests);
  for (const nodes of SIZES) {
    console.log(`\n${askedText(nodes, await measureAsked(nodes))}`);
  }
  console.log(`\n${await clusterCosts()}`);
  return 0;
}

async function inOwnNamespace(args: readonly string[]): Promise<number> {
  const { code } = await new Deno.Command("unshare", {
    args: [
      ...["--net", "--", Deno.execPath(), "run", "--allow-all", "--no-check"],
      ...["--quiet", fileURLToPath(import.meta.url), ...args],
    ],
    env: { [MARK]: "1" },
  }).spawn().status;
  return code;
}

/** On a machine of its own: what an agent finds there spares it work. */
async function measureJson(nodes: number): Promise<Row> {
  await using cluster = await BigCluster.start({ nodes });
  await cluster.startAgent({ CLUSTERNET_DEBUG: "json" });
  return await measureUpdates(cluster, {
    nodes,
    what: "json",
    pid: cluster.agent.pid,
  });
}

async function measureUpdates(
  cluster: BigCluster,
  { nodes, pid, what }: {
    readonly nodes: number;
    readonly pid: number;
    readonly what: string;
  },
): Promise<Row> {
  await pause(SETTLE_MS);
  const start = figuresOf(pid);
  // By then the compiler has seen enough: an agent runs for months.
  await cluster.heartbeats(WARM_UPDATES);
  await pause(SETTLE_MS);
  const warm = figuresOf(pid);
  await cluster.heartbeats(UPDATES);
  await pause(SETTLE_MS);
  return { nodes, what, start, warm, end: figuresOf(pid) };
}

/** One after the other, so that none takes the processor from another. */
async function measure(
  nodes: number,
  restMs: number,
): Promise<{ readonly rows: readonly Row[]; readonly restSeconds: number }> {
  await using cluster = await BigCluster.start({ nodes });
  const deno = [Deno.execPath(), "run", "--allow-all", "--no-check", "--quiet"];
  const rows: Row[] = [];
  const run = async (what: string, child: Child): Promise<void> => {
    const { pid } = child;
    rows.push(await measureUpdates(cluster, { nodes, what, pid }));
  };
  const others = [["bare", "sleep.ts"], ["watch", "watch_only.ts"]] as const;
  for (const [what, file] of others) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const child = new Child(what, [
      ...deno,
      V8_FLAGS,
      path,
      cluster.server.url,
    ]);
    await child.line(/^listed$/, { withinMs: 60_000 });
    await run(what, child);
    await child.stop("SIGKILL");
  }
  await cluster.startAgent();
  await run("agent", cluster.agent);
  const before = cluster.figures().cpuSeconds;
  await pause(restMs);
  return { rows, restSeconds: cluster.figures().cpuSeconds - before };
}

function print(rows: readonly Row[], rests: ReadonlyMap<number, number>): void {
  console.log(
    "Nodes  process   own memory     resident   CPU to start   CPU of 1,000 no-op updates",
  );
  for (const nodes of SIZES) {
    const of = (what: string, figure: (row: Row) => number): number =>
      median(
        rows.filter((row) => row.nodes === nodes && row.what === what).map(
          figure,
        ),
      );
    for (const what of ["bare", "watch", "json", "agent"]) {
      const cell = (
        figure: (row: Row) => number,
        text: (value: number) => string,
        than = "bare",
      ): string => {
        const value = of(what, figure);
        const base = of(than, figure);
        const times = base > 0 ? ` ×${(value / base).toFixed(1)}` : "";
        return (text(value) + times).padStart(13);
      };
      const seconds = (value: number): string => `${value.toFixed(2)} s`;
      console.log(
        [
          String(nodes).padStart(5),
          ` ${what.padEnd(6)}`,
          cell(({ end }) => end.anonymousBytes, megabytes),
          cell(({ end }) => end.residentBytes, megabytes),
          cell(({ start }) => start.cpuSeconds, seconds, "watch"),
          `${(of(what, updates) * 1_000).toFixed(0)} ms`.padStart(10),
          what === "agent" ? comparison(of) : "",
        ].join(" "),
      );
    }
  }
  for (const [nodes, seconds] of rests) {
    console.log(
      `at rest with ${nodes} Nodes: ${seconds.toFixed(2)} s of CPU in ${
        REST_MS / 1_000
      } s, a full turn included`,
    );
  }
}

/** Of the updates' cost. */
function comparison(
  of: (what: string, figure: (row: Row) => number) => number,
): string {
  const times = (what: string): string =>
    `×${(of("agent", updates) / of(what, updates)).toFixed(2)} of ${what}`;
  return `(${times("watch")}, ${times("json")})`;
}

/** Seconds of CPU of 1,000 of them. */
function updates({ warm, end }: Row): number {
  return (end.cpuSeconds - warm.cpuSeconds) / UPDATES * 1_000;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? NaN;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
