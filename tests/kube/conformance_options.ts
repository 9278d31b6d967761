/**
 * The command line of `deno task conformance`.
 *
 * @module
 */

import { parseArgs } from "node:util";
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
  const { values, positionals } = parse(args);
  if (values.help === true) return "help";
  const [extra] = positionals;
  if (extra !== undefined) {
    throw new SyntaxError(`Cannot use "${extra}": it takes only options`);
  }
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
      parallel: countOf(values.parallel ?? "4"),
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

function countOf(text: string): number {
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= MOST_PARALLEL) return count;
  throw new SyntaxError(
    `Cannot use --parallel ${text}: write a whole number from 1 to ${MOST_PARALLEL}`,
  );
}

interface Parsed {
  readonly values: {
    readonly family?: readonly string[] | undefined;
    readonly focus?: string | undefined;
    readonly proxy?: string | undefined;
    readonly parallel?: string | undefined;
    readonly more?: boolean | undefined;
    readonly list?: boolean | undefined;
    readonly write?: boolean | undefined;
    readonly "no-install"?: boolean | undefined;
    readonly help?: boolean | undefined;
  };
  readonly positionals: readonly string[];
}

function parse(args: readonly string[]): Parsed {
  try {
    return parseArgs({
      args: args.filter((arg) => arg !== "--"),
      allowPositionals: true,
      options: {
        "family": { type: "string", multiple: true },
        "focus": { type: "string" },
        "proxy": { type: "string" },
        "parallel": { type: "string" },
        "more": { type: "boolean" },
        "list": { type: "boolean" },
        "write": { type: "boolean" },
        "no-install": { type: "boolean" },
        "help": { type: "boolean", short: "h" },
      },
    });
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const [sentence = ""] = text.split(/\.\s/);
    throw new SyntaxError(sentence, { cause });
  }
}
