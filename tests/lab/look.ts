/**
 * Looking at a node from outside: what the agent has set, what it said, what it
 * asked of the API server.
 *
 * @module
 */

import assert from "node:assert/strict";
import { dieWithUs, run, type RunResult } from "./exec.ts";
import { patience } from "./harness.ts";
import type { Lab } from "./lab.ts";
import type { LabNode } from "./node.ts";
import type { Space } from "./space.ts";

/** A node of a lab, or of a real cluster. */
type InSpace = { readonly space: Space };

export function firstNode(lab: Lab): LabNode {
  const [node] = lab.nodes;
  assert.ok(node !== undefined);
  return node;
}

/** Everything that the agent sets, as ip(8), wg(8) and sysctl(8) show it. */
export async function dataPlane({ space }: InSpace): Promise<string> {
  return await space.sh(`
ip -d -o link show clusternet | sed 's/.*<\\([^>]*\\)> mtu \\([0-9]*\\).*alias \\([^ ]*\\).*/\\1 \\2 \\3/'
ip -o address show dev clusternet | sed 's/.* inet/inet/; s/ valid.*//' | sort
ip -4 route show table main | grep -v ' eth0' | grep -v veth | sort
ip -6 route show proto 78 | sort
cat /proc/sys/net/ipv4/ip_forward
wg show clusternet allowed-ips | sort
wg show clusternet listen-port`);
}

/** "key endpoint allowed-ips" of each peer, sorted: what must not change by itself. */
export async function peerLines(
  { space }: InSpace,
): Promise<readonly string[]> {
  const dump = await space.must(["wg", "show", "clusternet", "dump"]);
  return dump.trim().split("\n").slice(1).map((line) => {
    const [key, , endpoint, allowedIps = ""] = line.split("\t");
    return `${key} ${endpoint} ${allowedIps.split(",").sort().join(",")}`;
  }).sort();
}

/** Waits until the agent that was started last says that it is in sync. */
export async function ready(node: LabNode, withinMs = 10_000): Promise<void> {
  await node.agent?.line(/\bOK, \d+ peers?/, { withinMs: patience(withinMs) });
}

/** Requests that change something, by verb and resource. */
export async function writesOf(
  lab: Lab,
): Promise<Readonly<Record<string, number>>> {
  const all = await lab.api.requests();
  return Object.fromEntries(
    Object.entries(all).filter(([what]) =>
      what.startsWith("patch nodes/status")
    ),
  );
}

/** What an agent that ends by itself prints on stderr: its sentences, without the log. */
export function sentences(stderr: string): readonly string[] {
  const log = /^\d{4}-\d\d-\d\dT\S+ (debug|info) /;
  return stderr.trimEnd().split("\n").filter((line) => !log.test(line));
}

/** Runs an agent that is expected to end by itself, to its end or for so many seconds. */
export async function runAgent(
  node: LabNode,
  command: readonly string[],
): Promise<RunResult> {
  // timeout(1) leaves the terminal's process group: what it runs would outlive a Ctrl-C.
  const limited = ["timeout", "--signal=KILL", String(patience(50))];
  return await run(
    dieWithUs([...limited, ...dieWithUs(command)]),
    { env: node.settings.env },
  );
}
