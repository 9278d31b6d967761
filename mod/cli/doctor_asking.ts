/**
 * The options of what asks a cluster by a kubeconfig: `clusternet doctor` with
 * `--all` or `--pair`, and of its annotation `support-bundle --all`.
 *
 * @module
 */

import { OPTIONS } from "../core/config.ts";
import type { Option } from "../core/flags.ts";
import { parseAnnotation } from "../core/option_values.ts";
import { withVariablesOf } from "./agent_flags.ts";
import type { FlagReader } from "./flag_reader.ts";

const SHARED = OPTIONS.filter(({ name }) => name === "annotation");

// deno-fmt-ignore
export const ASKING_OPTIONS: readonly Option[] = [
  { name: "output", short: "o", metavar: "FORMAT", fallback: "text", help: "text or json." },
  { name: "kubeconfig", metavar: "FILE", fallback: undefined, help: "Else $KUBECONFIG, else ~/.kube/config, else the pod's ServiceAccount." },
  { name: "context", metavar: "NAME", fallback: undefined, help: "That one of the kubeconfig, instead of the current one." },
  ...SHARED,
];

export interface Asking {
  readonly output: "text" | "json";
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly annotation: string;
}

/** In a pod the agent's own variable is there, and so the annotation is known. */
export function withAnnotation(
  args: readonly string[],
  variables: (name: string) => string | undefined,
): readonly string[] {
  return withVariablesOf(SHARED, args, variables);
}

/** @throws {FatalError} of exit code 2 */
export function askingIn(read: FlagReader): Asking {
  return {
    output: read.value("output", parseOutput) ?? "text",
    kubeconfig: read.value("kubeconfig", (text) => text),
    context: read.value("context", (text) => text),
    annotation: annotationIn(read),
  };
}

/** @throws {FatalError} of exit code 2 */
export function annotationIn(read: FlagReader): string {
  return read.value("annotation", parseAnnotation) ?? SHARED[0]?.fallback ?? "";
}

function parseOutput(text: string): "text" | "json" {
  if (text === "text" || text === "json") return text;
  throw new SyntaxError("there are text and json");
}
