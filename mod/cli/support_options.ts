/**
 * The options of `clusternet support-bundle`.
 *
 * @module
 */

import { OPTIONS } from "../core/config.ts";
import { type Command, type Option, optionRows, usage } from "../core/flags.ts";
import { CLUSTER_OPTIONS } from "./agent_flags.ts";
import { annotationIn, withAnnotation } from "./doctor_asking.ts";
import { RUN_OPTIONS } from "./examine.ts";
import { flagReader } from "./flag_reader.ts";

const CONTEXT = CLUSTER_OPTIONS.filter(({ name }) => name === "context");

// deno-fmt-ignore
const OWN: readonly Option[] = [
  { name: "output", short: "o", metavar: "FILE", fallback: undefined, help: "Where to; -: standard output. Else clusternet-NODE-TIME.tar.gz in the working directory." },
  { name: "all", metavar: "", fallback: "false", help: "Of every Node in one file, asked from here; needs a kubeconfig, no agent here." },
  { name: "node", metavar: "NAME", fallback: undefined, list: true, help: "Of --all: of that Node only; several flags, or separated by commas." },
  ...CONTEXT,
];

/** What --all takes of the options of `clusternet run`. */
const OF_CLUSTER = ["kubeconfig", "annotation"];

const COMMAND: Command = {
  name: "support-bundle",
  options: [...OWN, ...OPTIONS],
};

export interface OwnArguments {
  readonly kind: "own";
  readonly output: string | undefined;
  /** Of `clusternet run`, as they are written. */
  readonly flags: readonly string[];
  /** The same by name, but for those that a diagnosis has no use for. */
  readonly run: ReadonlyMap<string, string>;
}

export interface ClusterArguments {
  readonly kind: "cluster";
  readonly output: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly annotation: string;
  /** `undefined`: all. */
  readonly nodes: readonly string[] | undefined;
}

/** @throws {FatalError} of exit code 2 */
export function parseSupport(
  args: readonly string[],
  variables: (name: string) => string | undefined,
): OwnArguments | ClusterArguments {
  const read = flagReader(args, COMMAND);
  const { given } = read;
  const text = (name: string): string | undefined => given.get(name)?.text;
  const output = text("output");
  if (read.flag("all")) {
    for (const { name } of OPTIONS) {
      if (!given.has(name) || OF_CLUSTER.includes(name)) continue;
      throw usage(
        `Cannot use --${name} with --all: it is that of this machine's agent`,
      );
    }
    return {
      kind: "cluster",
      output,
      kubeconfig: text("kubeconfig"),
      context: text("context"),
      annotation: annotationIn(
        flagReader(withAnnotation(args, variables), COMMAND),
      ),
      nodes: read.value("node", parseNodes),
    };
  }
  for (const name of ["node", "context"]) {
    if (!given.has(name)) continue;
    throw usage(`Cannot use --${name} alone: it is that of --all`);
  }
  const pairs = (options: readonly Option[]): readonly [string, string][] =>
    options.flatMap(({ name }) => {
      const value = text(name);
      return value === undefined ? [] : [[name, value]];
    });
  return {
    kind: "own",
    output,
    flags: pairs(OPTIONS).map(([name, value]) => `--${name}=${value}`),
    run: new Map(pairs(RUN_OPTIONS)),
  };
}

function parseNodes(text: string): readonly string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.every((name) => name !== "")) return [...new Set(names)];
  throw new SyntaxError("a name is missing");
}

export function supportBundleHelp(): string {
  return [
    "clusternet support-bundle: all that a maintainer needs, and no secret, in one tar.gz.",
    "",
    "Usage: clusternet support-bundle [FLAGS]",
    "       clusternet support-bundle --all [--kubeconfig FILE] [--context NAME] [--node NAME]",
    "",
    ...optionRows(OWN),
    "",
    "The flags of `clusternet run` may be given as well, as with `clusternet plan`; with",
    "--all only --kubeconfig FILE and --annotation KEY, as with `clusternet status --all`.",
    "What cannot be had, without root or without an agent, is named in its place.",
    "Exit codes: 0 written; 1 not, or --all has no bundle of a Node; 2 usage.",
    "",
  ].join("\n");
}
