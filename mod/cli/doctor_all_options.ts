/**
 * The options of `clusternet doctor --all`.
 *
 * @module
 */

import { OPTIONS } from "../core/config.ts";
import { type Command, optionRows, usage } from "../core/flags.ts";
import type { Check } from "../doctor/check.ts";
import { ALL_CHECKS } from "../doctor/checks.ts";
import {
  type Asking,
  ASKING_OPTIONS,
  askingIn,
  withAnnotation,
} from "./doctor_asking.ts";
import { chosenChecks } from "./doctor_checks.ts";
import { flagReader } from "./flag_reader.ts";

const COMMAND: Command = {
  name: "doctor --all",
  // deno-fmt-ignore
  options: [
    { name: "all", metavar: "", fallback: "false", help: "Every Node, the cluster's own settings, and what all agents have to have alike." },
    { name: "only", metavar: "CODE", fallback: undefined, help: "These checks only: several flags, or separated by commas.", list: true },
    ...ASKING_OPTIONS,
  ],
};

/** Of `clusternet doctor`, each another question. */
const OTHERS = ["pair", "prove-encryption", "list"];

export interface AllArguments extends Asking {
  /** In the order in which to act. */
  readonly checks: readonly Check[];
  /** Were they chosen by name? */
  readonly chosen: boolean;
}

/** Is it about the whole cluster? */
export function wantsAll(args: readonly string[]): boolean {
  return args.some((arg) => /^--all(=true)?$/.test(arg));
}

/** @throws {FatalError} of exit code 2 */
export function parseAll(
  args: readonly string[],
  variables: (name: string) => string | undefined,
): AllArguments {
  refuseOthers(args);
  const read = flagReader(withAnnotation(args, variables), COMMAND);
  const only = read.value("only", (text) => text);
  return {
    checks: chosenChecks(only, ALL_CHECKS),
    chosen: only !== undefined,
    ...askingIn(read),
  };
}

export function allHelp(): string {
  return [
    "clusternet doctor --all: what is wrong in the whole cluster, and what to do.",
    "",
    "Usage: clusternet doctor --all [FLAGS]",
    "",
    ...optionRows(COMMAND.options),
    "",
    "From anywhere, by a kubeconfig; no agent is needed here. In each Node's agent pod",
    "`clusternet doctor` is run, and the control plane's pods are read. Changes nothing.",
    "Exit codes: 0 nothing was found, and every Node was examined; 1 not so; 2 usage.",
    "NO_COLOR and FORCE_COLOR are obeyed.",
    "",
  ].join("\n");
}

function refuseOthers(args: readonly string[]): void {
  for (const arg of args) {
    const [, name = ""] = /^--([^=]+)/.exec(arg) ?? [];
    if (OTHERS.includes(name)) {
      throw usage(`Cannot use --${name} with --all: choose one of them`);
    }
    if (name === "peer") {
      throw usage(
        "Cannot use --peer with --all: it is that of --prove-encryption, on one node",
      );
    }
    const known = COMMAND.options.some((option) => option.name === name);
    if (!known && OPTIONS.some((option) => option.name === name)) {
      throw usage(
        `Cannot use --${name} with --all: each Node is examined with the options of its own agent`,
      );
    }
  }
}
