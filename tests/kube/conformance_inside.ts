/**
 * `deno task conformance`, in the place of one family's cluster: starts it, runs
 * the cases, says what became of each.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { inTurns } from "../lab/exec.ts";
import type { Cluster } from "./cluster.ts";
import { conformanceCluster } from "./conformance_cluster.ts";
import { DOC, pageAfter } from "./conformance_doc.ts";
import type { ConformanceRun } from "./conformance_options.ts";
import {
  type CaseResult,
  listCases,
  logFile,
  type Outcome,
  runCase,
} from "./e2e.ts";
import { newFolder, tellLogs } from "./harness.ts";
import { builtTools } from "./tools.ts";

/** Of what failed; outlives the cluster. */
const LOGS = fileURLToPath(
  new URL("../../.build/conformance", import.meta.url),
);

/** @returns the exit code */
async function main(run: ConformanceRun): Promise<number> {
  const { family, focus, proxy } = run;
  const say = (text: string): void => console.log(`${family}: ${text}`);
  const folder = newFolder();
  const listed = await listCases(await builtTools(), folder);
  const known = [...listed.conformance, ...listed.dualStack];
  const all = [
    ...family === "dual-stack" ? known : listed.conformance,
    ...run.more ? listed.more : [],
  ];
  const pattern = new RegExp(focus);
  const cases = all.filter((name) => pattern.test(name));
  if (run.list) {
    for (const name of cases) console.log(name);
    return 0;
  }
  say(`${cases.length} of ${all.length} cases, kube-proxy's mode ${proxy}`);
  const started = performance.now();
  try {
    await using cluster = await conformanceCluster({
      ...{ folder, family, proxy, say },
    });
    const results = await runCases(cluster, cases, run);
    const count = (wanted: Outcome): number =>
      results.filter(({ outcome }) => outcome === wanted).length;
    const minutes = ((performance.now() - started) / 60_000).toFixed(1);
    say(
      `${count("passed")} passed, ${count("failed")} failed, ${
        count("skipped")
      } skipped in ${minutes} min`,
    );
    if (run.write) await write(family, { results, known });
    return count("failed") === 0 ? 0 : 1;
  } catch (error) {
    tellLogs(folder);
    throw error;
  }
}

async function runCases(
  cluster: Cluster,
  cases: readonly string[],
  { family, parallel }: ConformanceRun,
): Promise<readonly CaseResult[]> {
  let done = 0;
  return await inTurns(cases, async (name) => {
    const result = await runCase(cluster, name);
    tell(result, `${family} ${String(++done).padStart(2)}/${cases.length}`);
    return result;
  }, parallel);
}

const LINE_SHOWN = 200;

/** A line for each; of one that failed also why, and where the rest of it is. */
function tell(result: CaseResult, prefix: string): void {
  const { name, outcome, seconds, reason } = result;
  console.log(
    `${prefix} ${outcome} ${seconds.toFixed(0).padStart(3)} s  ${name}`,
  );
  const lines = reason.split("\n").slice(0, 3)
    .map((line) => line.slice(0, LINE_SHOWN));
  if (outcome === "failed") lines.push(keep(result, prefix));
  for (const line of lines) if (line !== "") console.log(`        ${line}`);
}

/** @returns the path of its output */
function keep({ name, output }: CaseResult, prefix: string): string {
  const folder = `${LOGS}/${prefix.split(" ")[0]}`;
  Deno.mkdirSync(folder, { recursive: true });
  const log = logFile(folder, name);
  Deno.writeTextFileSync(log, output);
  return log;
}

async function write(
  family: string,
  { results, known }: {
    readonly results: readonly CaseResult[];
    readonly known: readonly string[];
  },
): Promise<void> {
  const page = await Deno.readTextFile(DOC);
  await Deno.writeTextFile(
    DOC,
    pageAfter(page, { family, results, all: known }),
  );
  console.log(`${family}: written to docs/conformance.md`);
}

if (import.meta.main) {
  try {
    Deno.exit(await main(JSON.parse(Deno.args[0] ?? "{}")));
  } catch (error) {
    console.error(
      `conformance: ${error instanceof Error ? error.message : error}`,
    );
    Deno.exit(1);
  }
}
