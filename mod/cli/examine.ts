/**
 * Examines this node: gathers what the checks ask for, with the configuration
 * of the agent that runs, and has the commands of the evidence print what they
 * print now. Looks only.
 *
 * @module
 */

import { parseArguments } from "../core/arguments.ts";
import { OPTIONS, variableName } from "../core/config.ts";
import { parseEnvFile } from "../core/env_file.ts";
import { parseFlags } from "../core/flags.ts";
import { type Check, diagnose, type Diagnosis } from "../doctor/check.ts";
import { commandOutput } from "../sys/command_output.ts";
import {
  agentFlags,
  environmentOf,
  findProcesses,
} from "../sys/doctor_processes.ts";
import { loadShim } from "../sys/shim.ts";
import { Gatherer, type GatherOptions } from "./doctor_facts.ts";
import { ENV_FILE } from "./install_files.ts";
import { progress } from "./terminal.ts";

/** Of `clusternet run`, without those that no running agent has. */
export const RUN_OPTIONS = OPTIONS.filter(({ name }) =>
  !["once", "config"].includes(name)
);

/** @param around what `surroundings()` gives */
export async function examine(
  checks: readonly Check[],
  around: GatherOptions,
): Promise<Diagnosis> {
  using _said = progress("examining this machine…");
  const gatherer = new Gatherer(around);
  const facts = await gatherer.gather(
    checks.flatMap(({ needs }) => needs),
    (count, all) =>
      void progress(`examining this machine… ${count} of ${all} parts known`),
  );
  return await withEvidence(diagnose(checks, facts));
}

/**
 * As the agent that runs was started; else as the service would be; what is
 * given here wins.
 *
 * @param own flags of `clusternet run`, by name
 */
export async function surroundings(
  own: ReadonlyMap<string, string>,
): Promise<GatherOptions> {
  const shim = await loadShim();
  const link = own.get("interface") ?? "clusternet";
  const processes = findProcesses(link, shim);
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
