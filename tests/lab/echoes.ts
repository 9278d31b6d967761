/**
 * Pings with a source of one's choice, counted where they arrive: an answer
 * would go to whom the source belongs to.
 *
 * @module
 */

import type { RunResult } from "./exec.ts";
import type { Family } from "./plan.ts";

/** Runs a command in some network. */
export type Caller = (command: readonly string[]) => Promise<RunResult>;

/** How many of three echo requests arrive. */
export async function echoesArriving(
  from: Caller,
  at: Caller,
  options: {
    readonly source: string;
    readonly to: string;
    readonly family: Family;
  },
): Promise<number> {
  const { source, to, family } = options;
  const before = await echoes(at, family);
  await from([
    ...["ping", `-${family}`, "-n", "-q", "-c", "3", "-i", "0.05", "-W", "1"],
    ...["-I", source, to],
  ]);
  return await echoes(at, family) - before;
}

/** ICMP echo requests that have come in there. */
async function echoes(at: Caller, family: Family): Promise<number> {
  // /proc/net is that of the process that looks: `self` after nsenter.
  const file = family === 4 ? "snmp" : "snmp6";
  const { stdout } = await at(["cat", `/proc/net/${file}`]);
  if (family === 6) {
    return Number(/^Icmp6InEchos\s+(\d+)$/m.exec(stdout)?.[1] ?? 0);
  }
  const [names = "", values = ""] = stdout.split("\n")
    .filter((line) => line.startsWith("Icmp:"));
  const column = names.split(" ").indexOf("InEchos");
  return Number(values.split(" ")[column] ?? 0);
}
