/**
 * `clusternet doctor`: what is wrong with this node, in the order in which to
 * act. Looks only; works whether the agent runs or not.
 *
 * @module
 */

import {
  type Command,
  type Option,
  optionRows,
  parseFlags,
  usage,
  wantsHelp,
} from "../core/flags.ts";
import { CHECKS } from "../doctor/checks.ts";
import { diagnosisJson, diagnosisText } from "../doctor/text.ts";
import { wantsAll } from "./doctor_all_options.ts";
import { checkList, chosenChecks } from "./doctor_checks.ts";
import { wantsPair } from "./doctor_pair_options.ts";
import { examine, RUN_OPTIONS, surroundings } from "./examine.ts";

// deno-fmt-ignore
const DOCTOR_OPTIONS: readonly Option[] = [
  { name: "output", short: "o", metavar: "FORMAT", fallback: "text", help: "text or json." },
  { name: "list", metavar: "", fallback: "false", help: "List all checks and what they look at." },
  { name: "only", metavar: "CODE", fallback: undefined, help: "These checks only: several flags, or separated by commas.", list: true },
  { name: "prove-encryption", metavar: "", fallback: "false", help: "Send packets to all peers, and watch that they leave encrypted and nothing in clear." },
  { name: "peer", metavar: "NODE", fallback: undefined, help: "With --prove-encryption: this peer only." },
];

const DOCTOR: Command = {
  name: "doctor",
  options: [...DOCTOR_OPTIONS, ...RUN_OPTIONS],
};

/** @returns the exit code: 1 where something was found */
export async function doctor(args: readonly string[]): Promise<number> {
  if (wantsAll(args)) {
    const { doctorAll } = await import("./doctor_all.ts");
    return await doctorAll(args);
  }
  if (wantsPair(args)) {
    const { doctorPair } = await import("./doctor_pair.ts");
    return await doctorPair(args);
  }
  if (wantsHelp(args)) {
    print(doctorHelp());
    return 0;
  }
  const given = parseFlags(args, DOCTOR);
  const output = given.get("output")?.text ?? "text";
  if (output !== "text" && output !== "json") {
    throw usage(`Cannot use -o ${output}: write text or json`);
  }
  if (given.has("list")) {
    print(checkList(output));
    return 0;
  }
  const peer = given.get("peer")?.text;
  if (peer !== undefined && !given.has("prove-encryption")) {
    throw usage("Cannot use --peer by itself: add --prove-encryption");
  }
  const checks = chosenChecks(given.get("only")?.text, CHECKS);
  const own = [...given].filter(([name]) =>
    RUN_OPTIONS.some((option) => option.name === name)
  ).map(([name, { text }]) => [name, text] as const);
  const around = await surroundings(new Map(own));
  if (given.has("prove-encryption")) {
    const { proveEncryption } = await import("./prove_encryption.ts");
    return await proveEncryption(around, { output, peer });
  }
  const diagnosis = await examine(checks, around);
  print(
    output === "json" ? diagnosisJson(diagnosis) : diagnosisText(diagnosis),
  );
  return diagnosis.findings.length > 0 ? 1 : 0;
}

export function doctorHelp(): string {
  return [
    "clusternet doctor: what is wrong with this node, and what to do (as root).",
    "",
    "Usage: clusternet doctor [FLAGS]",
    "       clusternet doctor --pair A B [--kubeconfig FILE]  the path between two Nodes,",
    "           from anywhere; `clusternet doctor --pair --help` has its flags",
    "       clusternet doctor --all [--kubeconfig FILE]       the whole cluster, from",
    "           anywhere; `clusternet doctor --all --help` has its flags",
    "",
    ...optionRows(DOCTOR_OPTIONS),
    "",
    "The flags of `clusternet run` (but --once and --config) may be given as well; else it",
    "takes those of the agent that runs, or of the service. It changes nothing.",
    "Exit codes: 0 nothing was found; 1 something was; 2 usage.",
    "",
  ].join("\n");
}

function print(text: string): void {
  console.log(text.trimEnd());
}
