/**
 * The options of `clusternet doctor --pair`.
 *
 * @module
 */

import { type Command, type Option, optionRows } from "../core/flags.ts";
import { parseAnnotation } from "../core/option_values.ts";
import { AGENT_OPTIONS, withVariables } from "./agent_flags.ts";
import { flagReader } from "./flag_reader.ts";

const SHARED = AGENT_OPTIONS.filter(({ name }) => name === "annotation");

const COMMAND: Command = {
  name: "doctor --pair",
  // deno-fmt-ignore
  options: [
    { name: "pair", metavar: "A B", fallback: undefined, help: "The two Nodes." },
    { name: "output", short: "o", metavar: "FORMAT", fallback: "text", help: "text or json." },
    { name: "kubeconfig", metavar: "FILE", fallback: undefined, help: "Else $KUBECONFIG, else ~/.kube/config, else the pod's ServiceAccount." },
    { name: "context", metavar: "NAME", fallback: undefined, help: "That one of the kubeconfig, instead of the current one." },
    ...SHARED,
  ] satisfies readonly Option[],
};

export interface PairArguments {
  readonly names: readonly [string, string];
  readonly output: "text" | "json";
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly annotation: string;
}

/** Is it about a pair of Nodes? */
export function wantsPair(args: readonly string[]): boolean {
  return args.some((arg) => arg === "--pair" || arg.startsWith("--pair="));
}

/** @throws {FatalError} of exit code 2 */
export function parsePair(
  args: readonly string[],
  variables: (name: string) => string | undefined,
): PairArguments {
  const known = new Set(SHARED.map(({ name }) => `--${name}`));
  const more = withVariables([], variables)
    .filter((arg) => known.has(arg.split("=")[0] ?? ""))
    .filter((arg) => !args.some((one) => sameFlag(one, arg)));
  const read = flagReader([...inOne(args), ...more], COMMAND);
  return {
    names: read.value("pair", parseNames) ?? parseNames(""),
    output: read.value("output", parseOutput) ?? "text",
    kubeconfig: read.value("kubeconfig", (text) => text),
    context: read.value("context", (text) => text),
    annotation: read.value("annotation", parseAnnotation) ??
      SHARED[0]?.fallback ?? "",
  };
}

export function pairHelp(): string {
  return [
    "clusternet doctor --pair: the path from one Node's pods to another's, hop by hop.",
    "",
    "Usage: clusternet doctor --pair A B [FLAGS]",
    "",
    ...optionRows(COMMAND.options),
    "",
    "From anywhere, by a kubeconfig; no agent is needed here. Each end is asked through the",
    "API server, sends the other a packet, and has its machine examined. Changes nothing.",
    "Exit codes: 0 the path stands; 1 it is broken, or nobody can tell; 2 usage.",
    "",
  ].join("\n");
}

function sameFlag(one: string, other: string): boolean {
  return one.split("=")[0] === other.split("=")[0];
}

/** `--pair A B` as `--pair=A,B`: what has no dash before it is a name. */
function inOne(args: readonly string[]): readonly string[] {
  const at = args.indexOf("--pair");
  if (at < 0) return args;
  const rest = args.slice(at + 1);
  const dash = rest.findIndex((word) => word.startsWith("-"));
  const count = dash < 0 ? rest.length : dash;
  return [
    ...args.slice(0, at),
    `--pair=${rest.slice(0, count).join(",")}`,
    ...rest.slice(count),
  ];
}

function parseNames(text: string): readonly [string, string] {
  const [a = "", b = "", ...more] = text.split(",");
  if (a === "" || b === "" || more.length > 0) {
    throw new SyntaxError("name two Nodes, as in --pair n1 n2");
  }
  if (a === b) {
    throw new SyntaxError(
      "a Node reaches itself without a tunnel; name two, as in --pair n1 n2",
    );
  }
  return [a, b];
}

function parseOutput(text: string): "text" | "json" {
  if (text === "text" || text === "json") return text;
  throw new SyntaxError("there are text and json");
}
