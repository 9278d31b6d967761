/**
 * The command line of `deno task conformance`.
 *
 * @module
 */

import { parseOptions, wholeNumber } from "../support/command_line.ts";
import type { ClusterOptions } from "./cluster.ts";
import { FAMILIES } from "./conformance_cluster.ts";

/** Of one family; what the program in the place is told. */
export interface ConformanceRun {
  /** One of `FAMILIES`. */
  readonly family: string;
  /** Of the names of cases, as a regular expression. */
  readonly focus: string;
  readonly proxy: NonNullable<ClusterOptions["proxy"]>;
  /** Cases at a time. */
  readonly parallel: number;
  /** Cases beyond conformance too. */
  readonly more: boolean;
  readonly list: boolean;
  readonly write: boolean;
}

export interface ConformanceCommand {
  readonly families: readonly string[];
  readonly run: Omit<ConformanceRun, "family">;
  readonly install: boolean;
}

export const CONFORMANCE_HELP =
  `Kubernetes' own tests of the network, on real clusters with clusternet.

Usage: deno task conformance [OPTIONS]          (as root)

  --family FAMILY   ipv4, ipv6 or dual-stack; several flags        [each in turn]
  --focus PATTERN   only cases whose name matches                  [all]
  --more            cases beyond conformance too, which the page does not list
  --proxy MODE      kube-proxy on each node: nftables or iptables  [nftables]
  --parallel N      cases at a time, 1 to 16                       [4]
  --list            print the names of the cases, and run none
  --write           put what became of each into docs/conformance.md
  --no-install      list the missing Debian packages and stop, install nothing
  --help            this text

A line tells what became of each case; the output of one that failed is kept in
.build/conformance. Ctrl-C ends it and leaves nothing behind. The first time it
builds Kubernetes from Go modules, which takes up to half an hour. Exit codes: 0 no
case failed; 1 not so; 2 usage; 130 interrupted.
`;

const MOST_PARALLEL = 16;

/**
 * @returns "help", or what was asked for
 * @throws {SyntaxError} one sentence
 */
export function parseConformanceArgs(
  args: readonly string[],
): ConformanceCommand | "help" {
  const values = parseOptions("it", args, {
    "family": { type: "string", multiple: true },
    "focus": { type: "string" },
    "proxy": { type: "string" },
    "parallel": { type: "string" },
    "more": { type: "boolean" },
    "list": { type: "boolean" },
    "write": { type: "boolean" },
    "no-install": { type: "boolean" },
    "help": { type: "boolean", short: "h" },
  });
  if (values.help === true) return "help";
  const { family = Object.keys(FAMILIES), proxy = "nftables" } = values;
  const unknown = family.find((each) => !(each in FAMILIES));
  if (unknown !== undefined) {
    throw new SyntaxError(
      `Cannot use --family ${unknown}: write ipv4, ipv6 or dual-stack`,
    );
  }
  if (proxy !== "iptables" && proxy !== "nftables") {
    throw new SyntaxError(
      `Cannot use --proxy ${proxy}: write nftables or iptables`,
    );
  }
  return {
    families: family,
    run: {
      proxy,
      focus: patternOf(values.focus ?? ""),
      parallel: wholeNumber("--parallel", values.parallel, {
        least: 1,
        most: MOST_PARALLEL,
        otherwise: 4,
      }),
      more: values.more ?? false,
      list: values.list ?? false,
      write: values.write ?? false,
    },
    install: !(values["no-install"] ?? false),
  };
}

function patternOf(text: string): string {
  try {
    new RegExp(text);
    return text;
  } catch (cause) {
    throw new SyntaxError(
      `Cannot use --focus ${text}: write a regular expression`,
      { cause },
    );
  }
}
