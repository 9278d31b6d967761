/**
 * `clusternet doctor --all`: what is wrong in a whole cluster, asked from anywhere
 * by a kubeconfig. Looks only. Of each Node's answer text keeps what is shown of
 * it, JSON is written while they come.
 *
 * @module
 */

import { wantsHelp } from "../core/flags.ts";
import type { NodeRecord } from "../core/node.ts";
import { AGREEMENT_CHECKS } from "../doctor/checks_agreement.ts";
import { type Check, type Diagnosis, type NotMade } from "../doctor/check.ts";
import { CHECKS } from "../doctor/checks.ts";
import { Examination } from "../doctor/everywhere.ts";
import { everywhereText } from "../doctor/everywhere_text.ts";
import type { AgentSettings, Part } from "../doctor/facts.ts";
import { utcNow } from "../sys/clock.ts";
import { JsonRecords } from "../view/records.ts";
import { askForStatus, NODE_MS } from "./ask_agent.ts";
import { progressText } from "./ask_cluster.ts";
import { askForDiagnosis, CHECKS_MS } from "./ask_diagnosis.ts";
import {
  askEach,
  type OpenCluster,
  openCluster,
  patience,
} from "./cluster_view.ts";
import { type AllArguments, allHelp, parseAll } from "./doctor_all_options.ts";
import { examineCluster, isOfCluster } from "./doctor_cluster.ts";
import { NodeRecords } from "./node_records.ts";
import { progress, standardOutput, writeOut } from "./terminal.ts";

/** What is told of it, as it comes. */
interface Told {
  begin(server: string, nodes: readonly NodeRecord[]): void;
  node(name: string, part: Part<Diagnosis>): void | Promise<void>;
  /** After all Nodes. @returns the exit code */
  end(cluster: Diagnosis): Promise<number>;
  /** Aborted where nobody reads any more. */
  readonly signal: AbortSignal;
}

/** @returns the exit code */
export async function doctorAll(args: readonly string[]): Promise<number> {
  if (wantsHelp(args)) {
    await writeOut(allHelp());
    return 0;
  }
  const wanted = parseAll(args, (name) => Deno.env.get(name));
  const told = wanted.output === "json" ? inJson() : inText(wanted);
  try {
    return await examineAll(wanted, told);
  } catch (error) {
    if (told.signal.aborted) return 0;
    throw error;
  }
}

/** @throws {FatalError} one sentence: the cluster cannot be asked, or is another one */
async function examineAll(wanted: AllArguments, told: Told): Promise<number> {
  const { signal } = told;
  using _said = progress("asking the API server…");
  using cluster = await openCluster({ ...wanted, signal });
  const nodes = cluster.nodes.toSorted((a, b) => a.name < b.name ? -1 : 1);
  told.begin(cluster.server, nodes);
  const ofCluster = wanted.checks.filter(isOfCluster);
  const settings: AgentSettings[] = [];
  const examiner = { wanted, cluster, count: nodes.length, signal, settings };
  await askEach(nodes, {
    signal,
    progress: (now) => void progress(progressText(now, ["examined", "Nodes"])),
  }, {
    ask: (node) => examineNode(node, examiner),
    isSilent: (part) => "why" in part,
    take: ({ name }, part) => told.node(name, part),
  });
  if (signal.aborted) return 0;
  progress("reading the cluster's settings…");
  const diagnosis = await examineCluster(ofCluster, settings, cluster);
  progress("");
  return await told.end(diagnosis);
}

interface Examiner {
  readonly wanted: AllArguments;
  readonly cluster: OpenCluster;
  /** Of all Nodes. */
  readonly count: number;
  readonly signal: AbortSignal;
  readonly settings: AgentSettings[];
}

/** What its doctor finds; its agent's settings go to the others'. */
async function examineNode(
  node: NodeRecord,
  { cluster, count, settings, signal, wanted }: Examiner,
): Promise<Part<Diagnosis>> {
  const { checks, chosen } = wanted;
  const own = checks.filter((each) =>
    CHECKS.includes(each) && !isOfCluster(each)
  ).map(({ code }) => code);
  const asksDoctor = !chosen || own.length > 0;
  const part = asksDoctor
    ? await askForDiagnosis(cluster, node, {
      only: chosen ? own : undefined,
      signal,
      withinMs: patience(count, CHECKS_MS),
    })
    : { value: { findings: [], made: 0, notMade: [] } };
  if ("why" in part || !checks.some(isOfCluster)) return part;
  const answer = await askForStatus(cluster, node, {
    probe: false,
    signal,
    withinMs: patience(count, NODE_MS),
  });
  const pod = cluster.podOf(node.name);
  if (answer.kind === "none" || pod === undefined) {
    const why = answer.kind === "none" ? answer.why : "its pod is gone";
    // Who has not been asked for anything else was not examined.
    if (!asksDoctor) return { why };
    const notMade = [...part.value.notMade, ...missed(checks, why)];
    return { value: { ...part.value, notMade } };
  }
  const { clusterCidrs, link, version } = answer.status;
  const { name, namespace } = pod;
  settings.push({
    ...{ node: node.name, pod: { namespace, name } },
    ...{ version, clusterCidrs, listenPort: link?.listenPort ?? null },
  });
  return part;
}

function missed(checks: readonly Check[], why: string): readonly NotMade[] {
  return AGREEMENT_CHECKS.filter((each) => checks.includes(each))
    .map(({ code }) => ({ code, why }));
}

function inText({ checks }: AllArguments): Told {
  const elsewhere = checks.filter((each) =>
    isOfCluster(each) && CHECKS.includes(each)
  ).map(({ code }) => code);
  const examination = new Examination(checks, elsewhere);
  let from = "";
  return {
    signal: new AbortController().signal, // Ctrl-C ends the process.
    begin: (server) => void (from = server),
    node: (name, part) => examination.add(name, part),
    end: async (cluster) => {
      examination.addCluster(cluster);
      const result = examination.result();
      const lines = everywhereText(from, result, standardOutput());
      await writeOut(`${lines.join("\n")}\n`);
      const well = result.found.length === 0 && result.silent.length === 0;
      return well ? 0 : 1;
    },
  };
}

function inJson(): Told {
  const records = new JsonRecords();
  const writer = new NodeRecords(records);
  const { signal } = writer;
  let well = true;
  return {
    signal,
    begin: (server, nodes) =>
      writer.begin(
        { schema: 1, server, time: utcNow() },
        nodes.map(({ name }) => name),
      ),
    node: async (name, part) => {
      if ("why" in part || part.value.findings.length > 0) well = false;
      const { why, value } = { why: undefined, value: undefined, ...part };
      await writer.add(name, { node: name, why, ...value });
    },
    end: async (cluster) => {
      await writer.endNodes();
      await writer.write(records.field("cluster", cluster) + records.end());
      // Who reads no more has what it wanted.
      if (signal.aborted) return 0;
      return well && cluster.findings.length === 0 ? 0 : 1;
    },
  };
}
