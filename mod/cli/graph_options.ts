/**
 * The options of `clusternet graph`.
 *
 * @module
 */

import { type Command, type Option, optionRows } from "../core/flags.ts";
import {
  AGENT_OPTIONS,
  type AgentFlags,
  agentFlags,
  CLUSTER_OPTIONS,
  withVariables,
} from "./agent_flags.ts";
import { flagReader } from "./flag_reader.ts";

export const GRAPH_FORMATS = ["svg", "dot", "mermaid", "json"] as const;

export type GraphFormat = typeof GRAPH_FORMATS[number];

// deno-fmt-ignore
const OPTIONS: readonly Option[] = [
  { name: "output", short: "o", metavar: "FORMAT", fallback: "svg", help: "svg, dot (Graphviz), mermaid or json." },
  { name: "no-probe", metavar: "", fallback: "false", help: "Take what the agent knows; else it first sends one packet to each peer." },
  { name: "all", metavar: "", fallback: "false", help: "The whole mesh, as every Node's agent sees it; needs a kubeconfig, no agent here." },
  ...CLUSTER_OPTIONS,
  ...AGENT_OPTIONS,
];

const GRAPH: Command = { name: "graph", options: OPTIONS };

export interface GraphArguments extends AgentFlags {
  /** `undefined`: nothing was said. */
  readonly format: GraphFormat | undefined;
  readonly probe: boolean;
}

/** @throws {FatalError} of exit code 2 */
export function parseGraph(
  args: readonly string[],
  variables: (name: string) => string | undefined,
): GraphArguments {
  const read = flagReader(withVariables(args, variables), GRAPH);
  return {
    ...agentFlags(read),
    format: read.value("output", parseFormat),
    probe: !read.flag("no-probe"),
  };
}

function parseFormat(text: string): GraphFormat {
  const format = GRAPH_FORMATS.find((each) => each === text);
  if (format !== undefined) return format;
  throw new SyntaxError(`give one of ${GRAPH_FORMATS.join(", ")}`);
}

export function graphHelp(): string {
  return [
    "clusternet graph: this node's tunnels as a picture (root), or all of a cluster's.",
    "",
    "Usage: clusternet graph [FLAGS] > FILE",
    "",
    ...optionRows(OPTIONS),
    "",
    "Solid: there is a session; long dashes: idle, farther apart after an hour; red, short",
    "dashes and a cross: down; dots and an exclamation mark: no peer. The wider a line, the",
    "more has gone through it. Exit codes: 0 drawn, whatever it shows; 1 not; 2 usage.",
    "",
  ].join("\n");
}
