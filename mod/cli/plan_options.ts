/**
 * The options of `plan`: its own, and those of `run`, which say what the agent
 * is to be like whose plan it is.
 *
 * @module
 */

import { resolve } from "node:path";
import { OPTIONS } from "../core/config.ts";
import { type Command, type Option, optionRows, usage } from "../core/flags.ts";
import { parseInterface } from "../core/option_values.ts";
import { flagReader } from "./flag_reader.ts";

const SOURCES = ["auto", "agent", "api"] as const;
const FORMATS = ["text", "json"] as const;

// deno-fmt-ignore
const PLAN_OPTIONS: readonly Option[] = [
  { name: "output", short: "o", metavar: "FORMAT", fallback: "text", help: "text, which is a shell script, or json." },
  { name: "source", metavar: "WHAT", fallback: "auto", help: "agent: as the agent sees it that runs here; api: list the Nodes and look at the kernel anew; auto: the first where one runs and no flag of `run` is given, else the second." },
  { name: "exit-code", metavar: "", fallback: "false", help: "Exit with 3 where there is something to do." },
  { name: "save", metavar: "FILE", fallback: undefined, help: "Also keep what the plan is made from, without any secret; -: print that instead of the plan." },
  { name: "snapshot", metavar: "FILE", fallback: undefined, help: "Plan from what --save has kept, on any machine, without root; -: from standard input." },
];

const PLAN: Command = {
  name: "plan",
  options: [...PLAN_OPTIONS, ...OPTIONS],
};

export interface PlanArguments {
  readonly format: typeof FORMATS[number];
  readonly source: typeof SOURCES[number];
  readonly exitCode: boolean;
  /** Path, or "-". */
  readonly save: string | undefined;
  readonly snapshot: string | undefined;
  /** Of `run`. */
  readonly config: readonly string[];
  /** `undefined`: not given as a flag. */
  readonly link: string | undefined;
}

/** @throws {FatalError} of exit code 2 */
export function parsePlan(args: readonly string[]): PlanArguments {
  const { flag, given, value } = flagReader(args, PLAN);
  const config = OPTIONS.flatMap(({ name }) => {
    const text = given.get(name)?.text;
    return text === undefined ? [] : [`--${name}=${text}`];
  });
  const snapshot = value("snapshot", parseFile);
  const source = value("source", oneOf(SOURCES));
  if (snapshot !== undefined && (config.length > 0 || source !== undefined)) {
    const [flag = "--source"] = config;
    throw usage(
      `Cannot use ${
        flag.split("=")[0]
      } with --snapshot: all that is in the snapshot`,
    );
  }
  return {
    format: value("output", oneOf(FORMATS)) ?? "text",
    source: source ?? "auto",
    exitCode: flag("exit-code"),
    save: value("save", parseFile),
    snapshot,
    config,
    link: value("interface", parseInterface),
  };
}

export function planHelp(): string {
  return [
    "clusternet plan: what the agent would do now, as commands, and why. Changes nothing.",
    "",
    "Usage: clusternet plan [FLAGS]",
    "",
    ...optionRows(PLAN_OPTIONS),
    "",
    "The flags of `clusternet run` may be given as well, and its variables and file are",
    "read; where the shell has none of the variables, those of the service",
    "(/etc/clusternet/clusternet.env) count.",
    "",
    "Exit codes: 0 planned, or nothing to do; 1 something is in the way, and the",
    "sentence says what; 2 usage; with --exit-code 3: there is something to do.",
    "",
  ].join("\n");
}

function oneOf<const T extends string>(
  choices: readonly T[],
): (text: string) => T {
  return (text) => {
    const choice = choices.find((one) => one === text);
    if (choice !== undefined) return choice;
    throw new SyntaxError(`write one of ${choices.join(", ")}`);
  };
}

function parseFile(text: string): string {
  if (text === "") throw new SyntaxError("give the path of a file");
  return text === "-" ? text : resolve(text);
}
