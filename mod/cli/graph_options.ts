/**
 * The options of `clusternet graph`.
 *
 * @module
 */

import { type Command, type Option, optionRows } from "../core/flags.ts";
import { parseInterface } from "../core/option_values.ts";
import { flagReader } from "./flag_reader.ts";

export const GRAPH_FORMATS = ["svg", "dot", "mermaid", "json"] as const;

export type GraphFormat = typeof GRAPH_FORMATS[number];

// deno-fmt-ignore
const OPTIONS: readonly Option[] = [
  { name: "output", short: "o", metavar: "FORMAT", fallback: "svg", help: "svg, dot (Graphviz), mermaid or json." },
  { name: "interface", metavar: "NAME", fallback: "clusternet", help: "The WireGuard link whose agent is asked." },
  { name: "no-probe", metavar: "", fallback: "false", help: "Take what the agent knows; else it first sends one packet to each peer." },
];

const GRAPH: Command = { name: "graph", options: OPTIONS };

export interface GraphArguments {
  /** `undefined`: nothing was said. */
  readonly format: GraphFormat | undefined;
  readonly link: string;
  readonly probe: boolean;
}

/** @throws {FatalError} of exit code 2 */
export function parseGraph(args: readonly string[]): GraphArguments {
  const { flag, value } = flagReader(args, GRAPH);
  return {
    format: value("output", parseFormat),
    link: value("interface", parseInterface) ?? "clusternet",
    probe: !flag("no-probe"),
  };
}

function parseFormat(text: string): GraphFormat {
  const format = GRAPH_FORMATS.find((each) => each === text);
  if (format !== undefined) return format;
  throw new SyntaxError(`give one of ${GRAPH_FORMATS.join(", ")}`);
}

export function graphHelp(): string {
  return [
    "clusternet graph: this node's tunnels as a picture (root: it asks the agent).",
    "",
    "Usage: clusternet graph [FLAGS] > FILE",
    "",
    ...optionRows(OPTIONS),
    "",
    "Solid: there is a session; long dashes: idle; red, short dashes and a cross: down;",
    "dots and an exclamation mark: no peer. The wider a line, the more has gone through it.",
    "",
  ].join("\n");
}
