/**
 * The Events that an agent writes about its Node, on a real API server.
 *
 * @module
 */

import assert from "node:assert/strict";
import { eventually } from "../lab/harness.ts";
import type { AgentHost } from "./agent_host.ts";
import type { BadInput } from "./bad_inputs.ts";
import type { Hosts } from "./hosts.ts";
import { conditionOf, type KubeObject } from "./kube_api.ts";

const EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events";
const BINDINGS =
  "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";

/** Milliseconds: a trouble that lasts is told after 15 to 30 s. */
const TOLD_MS = 60_000;

/** The Role of the manifests, for that user. */
export async function allowEvents(
  { admin }: Hosts,
  user: string,
): Promise<void> {
  const apiGroup = "rbac.authorization.k8s.io";
  await admin.create(BINDINGS, {
    metadata: { name: `test-${user.replaceAll(":", "-")}` },
    roleRef: { apiGroup, kind: "Role", name: "clusternet" },
    subjects: [{ apiGroup, kind: "User", name: user }],
  });
}

/** Those of the agent, not those of the kubelet or the controllers. */
export async function eventsOf(
  { admin }: Hosts,
  { name }: AgentHost,
): Promise<readonly KubeObject[]> {
  const { items } = await admin.get(EVENTS);
  return items.filter(({ regarding, reportingController }: KubeObject) =>
    regarding.name === name && reportingController === "clusternet"
  );
}

export async function eventLike(
  hosts: Hosts,
  host: AgentHost,
  { type, fits }: {
    readonly type: string;
    readonly fits: (event: KubeObject) => boolean;
  },
): Promise<KubeObject> {
  return await eventually(`${type} of ${host.name}`, async () => {
    const all = await eventsOf(hosts, host);
    return all.find((event) => event.type === type && fits(event));
  }, TOLD_MS);
}

/** One Event says what the condition says, and `kubectl describe node` shows it. */
export async function isTold(
  hosts: Hosts,
  host: AgentHost,
  { says }: BadInput,
): Promise<void> {
  const event = await eventLike(hosts, host, {
    type: "Warning",
    fits: ({ note }) => says.test(note),
  });
  const node = await hosts.node(host);
  const condition = conditionOf(node, "NetworkUnavailable");
  assert.equal(event.reason, "NoPodCIDRs");
  assert.equal(condition?.reason, event.reason);
  assert.equal(condition?.message, event.note);
  assert.equal(event.regarding.uid, node.metadata.uid);
  assert.equal(event.reportingInstance, host.name);
  assert.equal(event.series, undefined);
  const text = await hosts.kubectl("describe", "node", host.name);
  assert.match(
    text,
    new RegExp(`Warning +${event.reason} +\\S+ +clusternet +Own Node `),
  );
}

/** By the agent after it: one Event, with a series. */
export async function seriesGrows(
  hosts: Hosts,
  host: AgentHost,
): Promise<void> {
  const { series } = await eventLike(hosts, host, {
    type: "Warning",
    fits: ({ series }) => series !== undefined,
  });
  assert.equal(series.count, 2);
  const warnings = (await eventsOf(hosts, host)).filter(({ type }) =>
    type === "Warning"
  );
  assert.equal(warnings.length, 1);
}

export async function isCalledOff(
  hosts: Hosts,
  host: AgentHost,
): Promise<void> {
  const { note, reason } = await eventLike(hosts, host, {
    type: "Normal",
    fits: () => true,
  });
  assert.equal(reason, "ClusternetIsUp");
  assert.match(note, /^All is well again: no more .*NoPodCIDRs/);
}
