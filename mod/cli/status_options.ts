/**
 * The options of `clusternet status`.
 *
 * @module
 */

import { type Command, type Option, optionRows, usage } from "../core/flags.ts";
import {
  AGENT_OPTIONS,
  type AgentFlags,
  agentFlags,
  CLUSTER_OPTIONS,
  withVariables,
} from "./agent_flags.ts";
import { flagReader } from "./flag_reader.ts";

export type OutputFormat = "text" | "json" | "yaml";

// deno-fmt-ignore
const OWN: readonly Option[] = [
  { name: "output", short: "o", metavar: "FORMAT", fallback: "text", help: "text, json, yaml, or json.gz: JSON packed by gzip, of one status." },
  { name: "watch", metavar: "", fallback: "false", help: "Show it again whenever it changes, until Ctrl-C." },
  { name: "wait", metavar: "", fallback: "false", help: "Return when the agent is ready and every other Node a peer that answers, with --all everywhere; else 1." },
  { name: "timeout", metavar: "TIME", fallback: "60s", help: "Of --wait: like 90s or 5m." },
  { name: "no-probe", metavar: "", fallback: "false", help: "Send nothing to the peers: an old handshake then says only that nobody spoke." },
  { name: "all", metavar: "", fallback: "false", help: "Every Node's view side by side, and who cannot reach whom; needs a kubeconfig, no agent here." },
  ...CLUSTER_OPTIONS,
];

const COMMAND: Command = {
  name: "status",
  options: [...OWN, ...AGENT_OPTIONS],
};

export interface StatusArguments extends AgentFlags {
  readonly output: OutputFormat;
  /** JSON is wanted packed. */
  readonly packed: boolean;
  readonly watch: boolean;
  /** `undefined`: do not wait. */
  readonly waitMs: number | undefined;
  readonly probe: boolean;
}

/** @throws {FatalError} of exit code 2 */
export function parseStatus(
  args: readonly string[],
  variables: (name: string) => string | undefined,
): StatusArguments {
  const read = flagReader(
    withVariables(args, variables),
    COMMAND,
  );
  const wait = read.flag("wait");
  const agent = agentFlags(read);
  const { all } = agent;
  const watch = read.flag("watch");
  const timeout = read.value("timeout", parseTime);
  const refuse = (one: string, other: string): never => {
    throw usage(`Cannot use --${one} with --${other}: choose one of them`);
  };
  if (wait && watch) refuse("wait", "watch");
  if (!wait && timeout !== undefined) {
    throw usage("Cannot use --timeout alone: it is that of --wait");
  }
  if (wait && read.flag("no-probe")) refuse("wait", "no-probe");
  const { output, packed } = read.value("output", parseOutput) ??
    { output: "text", packed: false };
  if (packed && (all || watch)) {
    refuse("output=json.gz", all ? "all" : "watch");
  }
  if (all && watch && output !== "text") {
    throw usage(
      `Cannot use --watch with --all and -o ${output}: it shows text; a loop around \`clusternet status --all -o ${output}\` does the same`,
    );
  }
  return {
    ...{ output, packed },
    watch,
    waitMs: wait ? timeout ?? 60_000 : undefined,
    probe: !read.flag("no-probe"),
    ...agent,
  };
}

export function statusHelp(): string {
  return [
    "clusternet status: what this machine's agent sees (root), or all of a cluster's.",
    "",
    "Usage: clusternet status [FLAGS]",
    "",
    ...optionRows(COMMAND.options),
    "",
    "A peer is up (there is a session), idle (none, and where it was probed it answered)",
    "or down (no answer). Exit codes: 0 ready, and no peer down; 1 not; 2 usage.",
    "NO_COLOR and FORCE_COLOR are obeyed.",
    "",
  ].join("\n");
}

function parseOutput(
  text: string,
): Pick<StatusArguments, "output" | "packed"> {
  if (text === "json.gz") return { output: "json", packed: true };
  if (text === "text" || text === "json" || text === "yaml") {
    return { output: text, packed: false };
  }
  throw new SyntaxError("there are text, json, yaml and json.gz");
}

const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000 };

/** Milliseconds. */
function parseTime(text: string): number {
  const [, digits = "", unit = "s"] = /^(\d{1,6})(ms|s|m|min|h)?$/.exec(text) ??
    [];
  if (digits === "") throw new SyntaxError("write it like 90s or 5m");
  return Number(digits) * MILLISECONDS[unit as keyof typeof MILLISECONDS];
}
