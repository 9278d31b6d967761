/**
 * The command line of the demo.
 *
 * @module
 */

import { parseOptions, wholeNumber } from "../support/command_line.ts";

export interface DemoOptions {
  readonly nodes: number;
  readonly seed: number;
  readonly keep: boolean;
  readonly install: boolean;
}

export const DEMO_HELP =
  `clusternet demo: a cluster on this machine, nodes made of network namespaces

Usage: deno task demo [OPTIONS]          (as root)

  --nodes N       how many nodes, 2 to 50                          [3]
  --seed N        names, addresses and choices follow from it      [random]
  --keep          leave it running until Ctrl-C, with commands to look around
  --no-install    list the missing Debian packages and stop, install nothing
  --help          this text

Each node is a network and mount namespace with its own agent process, the same
that production runs. Pods are attached by the real CNI plugins. Exit codes: 0 all
pings were answered and nothing was seen in clear; 1 not so; 2 usage.
`;

const MAX_NODES = 50;
const MAX_SEED = 0xffff_ffff;

/**
 * @param random a seed for those who give none
 * @returns "help", or what was asked for
 * @throws {SyntaxError} one sentence
 */
export function parseDemoArgs(
  args: readonly string[],
  random: number,
): DemoOptions | "help" {
  const values = parseOptions("the demo", args, {
    nodes: { type: "string" },
    seed: { type: "string" },
    keep: { type: "boolean" },
    "no-install": { type: "boolean" },
    help: { type: "boolean", short: "h" },
  });
  if (values.help === true) return "help";
  return {
    nodes: wholeNumber("--nodes", values.nodes, {
      least: 2,
      most: MAX_NODES,
      otherwise: 3,
    }),
    seed: wholeNumber("--seed", values.seed, {
      least: 0,
      most: MAX_SEED,
      otherwise: random,
    }),
    keep: values.keep ?? false,
    install: !(values["no-install"] ?? false),
  };
}
