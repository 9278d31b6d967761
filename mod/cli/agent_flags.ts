/**
 * The options of commands that ask an agent, or with `--all` those of a cluster.
 *
 * @module
 */

import { OPTIONS, variableName } from "../core/config.ts";
import { type Option, usage } from "../core/flags.ts";
import { parseAnnotation, parseInterface } from "../core/option_values.ts";
import type { FlagReader } from "./flag_reader.ts";

// deno-fmt-ignore
export const CLUSTER_OPTIONS: readonly Option[] = [
  { name: "kubeconfig", metavar: "FILE", fallback: undefined, help: "Of --all; else $KUBECONFIG, else ~/.kube/config, else the pod's ServiceAccount." },
  { name: "context", metavar: "NAME", fallback: undefined, help: "Of --all: that one of the kubeconfig, instead of the current one." },
];

/** Those of the agent itself. */
export const AGENT_OPTIONS = OPTIONS.filter(({ name }) =>
  name === "interface" || name === "annotation"
);

export interface AgentFlags {
  readonly all: boolean;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly link: string;
  readonly annotation: string;
}

/** @throws {FatalError} of exit code 2 */
export function agentFlags(read: FlagReader): AgentFlags {
  const all = read.flag("all");
  for (const { name } of CLUSTER_OPTIONS) {
    if (all || !read.given.has(name)) continue;
    throw usage(`Cannot use --${name} alone: it is that of --all`);
  }
  return {
    all,
    kubeconfig: read.value("kubeconfig", (text) => text),
    context: read.value("context", (text) => text),
    link: read.value("interface", parseInterface) ?? fallbackOf("interface"),
    annotation: read.value("annotation", parseAnnotation) ??
      fallbackOf("annotation"),
  };
}

/** In a pod the agent's own variables are there, and so its link is found. */
export function withVariables(
  args: readonly string[],
  variables: (name: string) => string | undefined,
): readonly string[] {
  return withVariablesOf(AGENT_OPTIONS, args, variables);
}

/** Those that are not given. */
export function withVariablesOf(
  options: readonly Option[],
  args: readonly string[],
  variables: (name: string) => string | undefined,
): readonly string[] {
  const more = options.flatMap((option) => {
    const text = variables(variableName(option)) ?? "";
    const given = args.some((arg) => arg.split("=")[0] === `--${option.name}`);
    return given || text === "" ? [] : [`--${option.name}=${text}`];
  });
  return [...args, ...more];
}

function fallbackOf(name: string): string {
  return AGENT_OPTIONS.find((option) => option.name === name)?.fallback ?? "";
}
