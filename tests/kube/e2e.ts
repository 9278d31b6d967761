/**
 * Kubernetes' own end-to-end tests, `e2e.test`: which cases of the network it
 * has, and what becomes of one on a cluster. Each case is a process of its own,
 * so that several run at a time, and what one says stands alone.
 *
 * @module
 */

import { join } from "node:path";
import { must, run } from "../lab/exec.ts";
import type { Cluster } from "./cluster.ts";
import type { Tools } from "./tools.ts";

/** What a cluster has to pass to be called conformant, as far as the network goes. */
const CONFORMANCE = /^\[sig-network\] .*\[Conformance\]/;

/** What is said of two families at once; none of it is conformance's. */
const DUAL_STACK = /^\[sig-network\] \[Feature:IPv6DualStack\]/;

/** What goes beyond, and wants no cloud, no engine of policies, no feature, and no cluster for itself. */
const NETWORK = /^\[sig-network\] /;
const UNWANTED =
  /\[(Conformance|Feature|FeatureGate|Provider|Serial|Slow|Disruptive)\b|LoadBalancer|SCTP/;

/** Reasons why cases are not run, by a mark in their names. */
const NOT_RUN: readonly (readonly [string, string])[] = [
  [
    "[Feature:SCTPConnectivity]",
    "wants SCTP of the kernel: a feature that clusters may lack",
  ],
];

export type Outcome = "passed" | "failed" | "skipped";

export interface CaseResult {
  readonly name: string;
  readonly outcome: Outcome;
  readonly seconds: number;
  /** Why it failed or was skipped. */
  readonly reason: string;
  /** All that the program said. */
  readonly output: string;
}

/** As ginkgo v2 reports a case; the rest is left out. */
interface SpecReport {
  readonly ContainerHierarchyTexts: readonly string[] | null;
  readonly LeafNodeType: string;
  readonly LeafNodeText: string;
  readonly State: string;
  readonly Failure?: { readonly Message: string };
}

export interface Cases {
  /** Those that every cluster is to pass, whatever its families. */
  readonly conformance: readonly string[];
  readonly dualStack: readonly string[];
  /** Beyond conformance. */
  readonly more: readonly string[];
}

/** Names in the order of the alphabet. @param folder for a file in between */
export async function listCases(tools: Tools, folder: string): Promise<Cases> {
  const file = await Deno.makeTempFile({ dir: folder });
  await must([
    tools.path("e2e.test"),
    ...["--provider=skeleton", "--ginkgo.dry-run", "--ginkgo.silence-skips"],
    `--ginkgo.json-report=${file}`,
  ]);
  const names = (await reports(file)).map(nameOf).sort();
  return {
    conformance: names.filter((name) => CONFORMANCE.test(name)),
    dualStack: names.filter((name) => DUAL_STACK.test(name)),
    more: names.filter((name) => NETWORK.test(name) && !UNWANTED.test(name)),
  };
}

/** Of cases alone, not of what comes before and after all of them. */
async function reports(file: string): Promise<readonly SpecReport[]> {
  const text = await Deno.readTextFile(file);
  await Deno.remove(file);
  const suites = JSON.parse(text) as readonly {
    readonly SpecReports: readonly SpecReport[];
  }[];
  return suites.flatMap((suite) => suite.SpecReports)
    .filter(({ LeafNodeType }) => LeafNodeType === "It");
}

function nameOf(report: SpecReport): string {
  return [...report.ContainerHierarchyTexts ?? [], report.LeafNodeText]
    .join(" ");
}

/** Most take half a minute, and give up by themselves after a few. */
const CASE_MINUTES = 15;

/** Runs one case, to its end; one that is not to be run is skipped. */
export async function runCase(
  cluster: Cluster,
  name: string,
): Promise<CaseResult> {
  const [, unwanted] = NOT_RUN.find(([mark]) => name.includes(mark)) ?? [];
  if (unwanted !== undefined) {
    const nothing = { outcome: "skipped", seconds: 0, output: "" } as const;
    return { ...nothing, name, reason: unwanted };
  }
  const { tools, folder } = cluster.settings;
  const file = await Deno.makeTempFile({ dir: folder });
  const started = performance.now();
  const { stdout, stderr } = await run([
    tools.path("e2e.test"),
    `--kubeconfig=${cluster.kubeconfig}`,
    `--kubectl-path=${tools.path("kubectl")}`,
    ...["--provider=skeleton", "--node-os-distro=custom"],
    ...["--ginkgo.v", "--ginkgo.no-color", "--ginkgo.silence-skips"],
    `--ginkgo.timeout=${CASE_MINUTES}m`,
    `--ginkgo.focus=${literally(name)}$`,
    `--ginkgo.json-report=${file}`,
  ]);
  const seconds = (performance.now() - started) / 1_000;
  const output = `${stdout}\n${stderr}`;
  const report = (await reports(file).catch(() => []))
    .find((each) => nameOf(each) === name);
  if (report === undefined) {
    const reason = `e2e.test says: ${output.trimEnd().slice(-300)}`;
    return { name, outcome: "failed", seconds, reason, output };
  }
  return {
    ...{ name, output, seconds },
    outcome: outcomeOf(report.State),
    reason: report.Failure?.Message ?? "",
  };
}

function outcomeOf(state: string): Outcome {
  return state === "passed" || state === "skipped" ? state : "failed";
}

/** For a regular expression that finds that text. */
function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}

/** Where the output of a case is kept: "services-should-serve-a-basic-endpoint….log". */
export function logFile(folder: string, name: string): string {
  const words = name.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return join(folder, `${words.join("-").slice(0, 150)}.log`);
}
