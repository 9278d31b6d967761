/**
 * The Event `PeersDown`: two hosts with agents that are each other's peers, of
 * which one hears nothing, told through a real API server to `kubectl`.
 *
 * The teller looks at WireGuard's counters once in a minute, and that alone goes
 * ten times as fast here: link, handshakes, requests and all else have their time.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { firstAddress, parsePrefix } from "../../mod/core/address.ts";
import { Child } from "../lab/exec.ts";
import { agentProgram } from "../lab/lab.ts";
import { quickened } from "../support/quick_clock.ts";
import { type AgentHost, annotationOf } from "./agent_host.ts";
import { byCertificate } from "./bad_inputs.ts";
import { networkSays } from "./conditions.ts";
import type { Hosts } from "./hosts.ts";
import { allowEvents, eventLike, eventsOf } from "./node_events.ts";

/** Milliseconds until an agent that starts is well, on a machine with much to do. */
const START_MS = 30_000;

/** Where the Events are composed. */
const TELLER = "mod/cli/compose_tasks.ts";

export async function tellsPeersDown(
  hosts: Hosts,
  [host, other]: readonly [AgentHost, AgentHost],
): Promise<void> {
  await filter(other);
  await startBoth(hosts, [host, other]);
  // Of three peers it has two that nobody answers for, and speaks to neither yet.
  await other.statusIs(/^OK, 2 peers$/, START_MS);
  await host.statusIs(/^OK, 2 peers$/, START_MS);
  assert.equal(await countOf(hosts, host), 0);
  const speaking = new Child(
    `ping of ${host.name}`,
    host.space.command(["ping", "-q", linkAddress(other)]),
  );
  try {
    await saysWhoIsDown(hosts, host, other.name);
    await other.space.sh("nft delete table inet cut");
    await saysAllIsWell(hosts, host);
  } finally {
    await speaking.stop();
  }
}

function linkAddress({ plan }: AgentHost): string {
  const [podCidr = ""] = plan.podCidrs;
  return firstAddress(parsePrefix(podCidr));
}

async function saysWhoIsDown(
  hosts: Hosts,
  host: AgentHost,
  down: string,
): Promise<void> {
  const told = await eventLike(hosts, host, {
    type: "Warning",
    fits: ({ reason }) => reason === "PeersDown",
  });
  // The Node that is not spoken to has no agent at all, and is not named.
  assert.match(
    told.note,
    new RegExp(
      `^Pods here get no answer from the Nodes ${down}: do their agents run, and is UDP 7838 open both ways\\?`,
    ),
  );
  await networkSays(hosts.admin, host.name, { message: /^clusternet has / });
  const described = await hosts.kubectl("describe", "node", host.name);
  assert.match(
    described,
    new RegExp(`Warning +PeersDown +\\S+ +clusternet .*Nodes ${down}:`),
  );
  const listed = await hosts.kubectl(
    ...["get", "events", "--namespace", "default"],
    ...["--field-selector", `involvedObject.name=${host.name}`],
  );
  assert.match(listed, new RegExp(`Warning +PeersDown +node/${host.name} `));
}

async function saysAllIsWell(hosts: Hosts, host: AgentHost): Promise<void> {
  // At that pace what passes at the start may have been told too.
  const { reason } = await eventLike(hosts, host, {
    type: "Normal",
    fits: ({ note }) =>
      /^All is well again: no more (\w+, )*PeersDown$/.test(note),
  });
  assert.equal(reason, "ClusternetIsUp");
  assert.equal(await countOf(hosts, host), 1);
}

/** Events that somebody is down. */
async function countOf(hosts: Hosts, host: AgentHost): Promise<number> {
  const all = await eventsOf(hosts, host);
  return all.filter(({ reason }) => reason === "PeersDown").length;
}

/** What is sent to it is lost; what it sends gets out. */
async function filter({ space }: AgentHost): Promise<void> {
  await space.sh(`
nft add table inet cut
nft 'add chain inet cut in { type filter hook input priority 0; }'
nft add rule inet cut in udp dport 7838 drop`);
}

/** By one annotation. */
async function startBoth(
  hosts: Hosts,
  [host, other]: readonly [AgentHost, AgentHost],
): Promise<void> {
  const map = join(host.folder, "imports.json");
  Deno.writeTextFileSync(map, quickened(TELLER));
  await allowEvents(hosts, `agent:${host.name}`);
  const own = await byCertificate(hosts, host);
  host.startAgent({
    ...own,
    program: agentProgram([`--import-map=${map}`]),
  });
  other.startAgent({
    ...await byCertificate(hosts, other),
    annotation: annotationOf(host.name),
  });
}
