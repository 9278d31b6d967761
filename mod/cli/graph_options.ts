/**
 * The options of `clusternet graph`.
 *
 * @module
 */

import {
  type Command,
  type Option,
  optionRows,
  parseFlags,
  usage,
} from "../core/flags.ts";
import { parseInterface, parseSwitch } from "../core/option_values.ts";

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
  const given = parseFlags(args, GRAPH);
  const value = <T>(name: string, from: (text: string) => T): T | undefined => {
    const found = given.get(name);
    if (found === undefined) return undefined;
    try {
      return from(found.text);
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      throw usage(`Cannot use ${found.where}: ${cause.message}`);
    }
  };
  return {
    format: value("output", parseFormat),
    link: value("interface", parseInterface) ?? "clusternet",
    probe: !(value("no-probe", parseSwitch) ?? false),
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
