/**
 * A table as text: the step of a plan, the log line, and what two tables are
 * compared by. It is what `nft list table` shows and `nft -f` takes.
 *
 * @module
 */

import { familyOf } from "./address.ts";
import {
  type Chain,
  FILTER,
  type Match,
  RAW,
  type Rule,
  SRCNAT,
  type Table,
} from "./nftables.ts";

/** Does one do what the other does, with the same words? */
export function sameTable(a: Table | null, b: Table | null): boolean {
  if (a === null || b === null) return a === b;
  return tableText(a) === tableText(b);
}

/** As `nft list table` shows it and `nft -f` takes it. */
export function tableText(table: Table): string {
  const chains = table.chains.map(({ rules, ...chain }) =>
    [
      `\tchain ${chain.name} {`,
      ...chain.hook === "" ? [] : [`\t\t${baseText(chain)}`],
      ...rules.map((rule) => `\t\t${ruleText(rule)}`),
      "\t}\n",
    ].join("\n")
  );
  const flags = table.dormant ? "\tflags dormant\n\n" : "";
  return `table inet ${table.name} {\n${flags}${chains.join("\n")}}\n`;
}

/** In one transaction, never a moment without: what stands in front makes it anew. */
export function replacementText(table: Table): string {
  const { name } = table;
  return `add table inet ${name}\ndelete table inet ${name}\n${
    tableText(table)
  }`;
}

/** The same on one line, for a shell. */
export function replacementCommand(table: Table): string {
  const line = replacementText(table).trim()
    .replaceAll(/\s*\n\s*/g, "\n")
    .replaceAll(/(?<=[^{;])\n/g, "; ")
    .replaceAll("\n", " ");
  return `nft '${line}'`;
}

function baseText(chain: Omit<Chain, "name" | "rules">): string {
  const { type, hook, priority, policy } = chain;
  return `type ${type} hook ${hook} priority ${
    priorityText(priority)
  }; policy ${policy};`;
}

function priorityText(priority: number): string {
  switch (priority) {
    case RAW:
      return "raw";
    case FILTER:
      return "filter";
    case SRCNAT - 1:
      return "srcnat - 1";
  }
  return String(priority);
}

function ruleText({ matches, verdict, comment }: Rule): string {
  const words = [...matches.map(matchText), verdictText(verdict)];
  if (comment !== "") words.push(`comment "${comment}"`);
  return words.join(" ");
}

function matchText(match: Match): string {
  switch (match.kind) {
    case "address": {
      const ip = familyOf(match.prefix) === 4 ? "ip" : "ip6";
      const not = match.inside ? "" : "!= ";
      return `${ip} ${match.side} ${not}${match.prefix}`;
    }
    case "output-link":
      return `oifname ${match.is ? "" : "!= "}"${linkText(match.link)}"`;
    case "no-way-back":
      return "fib saddr . iif oif missing";
    case "local-source":
      return "fib saddr type local";
  }
}

/** A star at the end would stand for any ending. */
function linkText(link: string): string {
  return link.replace(/\*$/, "\\*");
}

function verdictText(verdict: Rule["verdict"]): string {
  switch (verdict) {
    case "drop":
      return "drop";
    case "masquerade":
      return "masquerade fully-random";
    case "other":
      return "# none of ours";
  }
}
