/**
 * `clusternet doctor`: what is wrong with this node, in the order in which to
 * act. Looks only; works whether the agent runs or not.
 *
 * @module
 */

import { OPTIONS, variableName } from "../core/config.ts";
import { parseArguments } from "../core/arguments.ts";
import { parseEnvFile } from "../core/env_file.ts";
import {
  type Command,
  type Option,
  optionRows,
  parseFlags,
  usage,
  wantsHelp,
} from "../core/flags.ts";
import { type Check, diagnose, type Diagnosis } from "../doctor/check.ts";
import { CHECKS } from "../doctor/checks.ts";
import { checkRows, diagnosisText } from "../doctor/text.ts";
import {
  agentFlags,
  environmentOf,
  findProcesses,
} from "../sys/doctor_processes.ts";
import { commandOutput } from "../sys/command_output.ts";
import { loadShim } from "../sys/shim.ts";
import { wantsPair } from "./doctor_pair_options.ts";
import { Gatherer, type GatherOptions } from "./doctor_facts.ts";
import { ENV_FILE } from "./install_files.ts";

// deno-fmt-ignore
const DOCTOR_OPTIONS: readonly Option[] = [
  { name: "output", short: "o", metavar: "FORMAT", fallback: "text", help: "text or json." },
  { name: "list", metavar: "", fallback: "false", help: "List all checks and what they look at." },
  { name: "only", metavar: "CODE", fallback: undefined, help: "These checks only: several flags, or separated by commas.", list: true },
  { name: "prove-encryption", metavar: "", fallback: "false", help: "Send packets to all peers, and watch that they leave encrypted and nothing in clear." },
  { name: "peer", metavar: "NODE", fallback: undefined, help: "With --prove-encryption: this peer only." },
];

const RUN_OPTIONS = OPTIONS.filter(({ name }) =>
  !["once", "config"].includes(name)
);
const DOCTOR: Command = {
  name: "doctor",
  options: [...DOCTOR_OPTIONS, ...RUN_OPTIONS],
};

/** @returns the exit code: 1 where something was found */
export async function doctor(args: readonly string[]): Promise<number> {
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
    print(
      output === "json"
        ? JSON.stringify(CHECKS.map(({ code, what }) => ({ code, what })))
        : checkRows(CHECKS),
    );
    return 0;
  }
  const peer = given.get("peer")?.text;
  if (peer !== undefined && !given.has("prove-encryption")) {
    throw usage("Cannot use --peer by itself: add --prove-encryption");
  }
  const checks = chosen(given.get("only")?.text);
  const own = [...given].filter(([name]) =>
    RUN_OPTIONS.some((option) => option.name === name)
  ).map(([name, { text }]) => [name, text] as const);
  const around = await surroundings(new Map(own));
  if (given.has("prove-encryption")) {
    const { proveEncryption } = await import("./prove_encryption.ts");
    return await proveEncryption(around, { output, peer });
  }
  const gatherer = new Gatherer(around);
  const facts = await gatherer.gather(checks.flatMap(({ needs }) => needs));
  const diagnosis = await withEvidence(diagnose(checks, facts));
  print(
    output === "json"
      ? JSON.stringify({ schema: 1, ...diagnosis }, null, 2)
      : diagnosisText(diagnosis),
  );
  return diagnosis.findings.length > 0 ? 1 : 0;
}

function chosen(only: string | undefined): readonly Check[] {
  if (only === undefined) return CHECKS;
  const codes = only.split(",");
  const unknown = codes.find((code) =>
    !CHECKS.some((check) => check.code === code)
  );
  if (unknown !== undefined) {
    throw usage(
      `Cannot use --only ${unknown}: there is no such check; \`clusternet doctor --list\` has them all`,
    );
  }
  return CHECKS.filter(({ code }) => codes.includes(code));
}

/** As the agent that runs was started; else as the service would be; what is given here wins. */
async function surroundings(
  own: ReadonlyMap<string, string>,
): Promise<GatherOptions> {
  const shim = await loadShim();
  const processes = await findProcesses(
    own.get("interface") ?? "clusternet",
    shim,
  );
  const [agent] = processes.agents;
  const theirs = agent === undefined
    ? undefined
    : environmentOf(agent.pid, shim);
  const env = theirs ?? { ...await serviceVariables(), ...Deno.env.toObject() };
  const flags = new Map(agent === undefined ? [] : flagsOf(agentFlags(agent)));
  for (const [name, text] of own) flags.set(name, text);
  const { config } = parseArguments(
    [...flags].map(([name, text]) => `--${name}=${text}`),
    env,
    { hostName: Deno.hostname() },
  );
  return { config, env, processes, shim };
}

function flagsOf(
  args: readonly string[],
): readonly (readonly [string, string])[] {
  return [...parseFlags(args, { name: "run", options: OPTIONS })]
    .filter(([name]) => RUN_OPTIONS.some((option) => option.name === name))
    .map(([name, { text }]) => [name, text] as const);
}

async function serviceVariables(): Promise<Record<string, string>> {
  try {
    const known = new Set(OPTIONS.map(variableName));
    return Object.fromEntries(
      [...parseEnvFile(await Deno.readTextFile(ENV_FILE))]
        .filter(([name]) => known.has(name)),
    );
  } catch {
    return {}; // not installed as a service
  }
}

/** Programs that look and change nothing, run as the evidence names them. */
const LOOKS =
  /^(ip (-d |-o |-br |-6 )*(link|address|route|rule) show|wg show|sysctl net|nft list|iptables -S|uname -r|df -k|ls \/|cat \/etc\/cni|stat -c|date -u)/;

/** Nothing that a shell or an option parser would take for something else. */
const PLAIN = /^[\w ./:=@-]+$/;

/** What the commands print now; what was seen stays where one cannot be run. */
async function withEvidence(diagnosis: Diagnosis): Promise<Diagnosis> {
  const findings = await Promise.all(
    diagnosis.findings.map(async (finding) => ({
      ...finding,
      evidence: await Promise.all(
        finding.evidence.map(async ({ command, output }) => {
          if (!LOOKS.test(command) || !PLAIN.test(command)) {
            return { command, output };
          }
          try {
            const { stdout, stderr } = await commandOutput(
              command.split(" "),
              { timeoutMs: 3_000 },
            );
            const said = `${stdout}${stderr}`.trimEnd();
            return { command, output: said === "" ? output : said };
          } catch {
            return { command, output };
          }
        }),
      ),
    })),
  );
  return { ...diagnosis, findings };
}

export function doctorHelp(): string {
  return [
    "clusternet doctor: what is wrong with this node, and what to do (as root).",
    "",
    "Usage: clusternet doctor [FLAGS]",
    "       clusternet doctor --pair A B [--kubeconfig FILE]  the path between two Nodes,",
    "           from anywhere; `clusternet doctor --pair --help` has its flags",
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
