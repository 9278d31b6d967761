/**
 * The options of `clusternet doctor --pair`.
 *
 * @module
 */

import { type Command, optionRows } from "../core/flags.ts";
import {
  type Asking,
  ASKING_OPTIONS,
  askingIn,
  withAnnotation,
} from "./doctor_asking.ts";
import { flagReader } from "./flag_reader.ts";

const COMMAND: Command = {
  name: "doctor --pair",
  // deno-fmt-ignore
  options: [
    { name: "pair", metavar: "A B", fallback: undefined, help: "The two Nodes." },
    ...ASKING_OPTIONS,
  ],
};

export interface PairArguments extends Asking {
  readonly names: readonly [string, string];
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
  const read = flagReader(withAnnotation(inOne(args), variables), COMMAND);
  return {
    names: read.value("pair", parseNames) ?? parseNames(""),
    ...askingIn(read),
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
