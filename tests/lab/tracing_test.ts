/**
 * Traces of real agents, sent in protobuf by Deno itself to a collector in their
 * node, or to one that is not there.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  type CollectedSpan,
  COLLECTOR,
  Collector,
  SILENT_COLLECTOR,
} from "./collector.ts";
import { eventually, labTest, patience, settled } from "./harness.ts";
import type { Lab } from "./lab.ts";
import type { LabNode } from "./node.ts";

/** What the launcher sets too, and sending five times a second; in protobuf, as is the default. */
const TRACING = {
  OTEL_DENO: "true",
  OTEL_DENO_CONSOLE: "ignore",
  OTEL_DENO_METRICS: "false",
  OTEL_SERVICE_NAME: "clusternet",
  OTEL_EXPORTER_OTLP_TIMEOUT: "500",
  OTEL_BSP_SCHEDULE_DELAY: "200",
};

labTest(
  "an agent under OTEL_DENO=true sends its turns and lists; one whose collector is dead works and ends like any other",
  { nodes: 2 },
  async (lab) => {
    await lab.boot();
    await lab.register();
    await lab.assignPodCidrs();
    const [one, two] = lab.nodes;
    assert.ok(one !== undefined && two !== undefined);
    const collector = await Collector.start(one);
    const deaf = await Collector.start(two);
    try {
      one.startAgent([], {
        ...TRACING,
        OTEL_EXPORTER_OTLP_ENDPOINT: COLLECTOR,
      });
      two.startAgent([], {
        ...TRACING,
        OTEL_EXPORTER_OTLP_ENDPOINT: SILENT_COLLECTOR,
      });
      await settled(lab);
      await sendsFirstTurn(collector, lab);
      await sendsList(collector);
      await sendsRepair(collector, one);
      await deaf.child.line(/^silent/, { withinMs: patience(10_000) });
      await worksWithoutCollector(two);
      await collector.stop();
      await worksWithoutCollector(one);
    } finally {
      await collector.stop();
      await deaf.stop();
    }
  },
);

function childrenOf(
  spans: readonly CollectedSpan[],
  { id, trace }: CollectedSpan,
): readonly CollectedSpan[] {
  return spans.filter((span) => span.parent === id && span.trace === trace);
}

function ours(collector: Collector): readonly CollectedSpan[] {
  return collector.spans().filter(({ scope }) => scope === "clusternet");
}

/** The first turn with work, whole: a root comes after its children. */
async function sendsFirstTurn(collector: Collector, lab: Lab): Promise<void> {
  const turn = await eventually(
    "a turn with its steps has come",
    () =>
      Promise.resolve(
        ours(collector).find(({ attributes, name }) =>
          name === "turn" && attributes["clusternet.scope"] === "full" &&
          Number(attributes["clusternet.steps"]) > 5
        ),
      ),
    patience(10_000),
  );
  assert.equal(turn.encoding, "protobuf");
  assert.equal(turn.parent, "");
  assert.equal(turn.attributes["k8s.node.name"], "n1");
  assert.equal(turn.resource["service.name"], "clusternet");
  const children = childrenOf(ours(collector), turn);
  const names = children.map(({ name }) => name);
  for (const name of ["observe", "plan", "apply"]) {
    assert.ok(names.includes(name), `${name} among ${names}`);
  }
  for (const { milliseconds, name } of children) {
    assert.ok(milliseconds >= 0 && milliseconds <= turn.milliseconds, name);
  }
  const apply = children.find(({ name }) => name === "apply");
  assert.equal(
    apply?.attributes["clusternet.steps"],
    turn.attributes["clusternet.steps"],
  );
  assert.equal(apply?.attributes["clusternet.failures"], 0);
  await eventually("a turn has told of the other Node", () =>
    Promise.resolve(
      ours(collector).find(({ attributes }) =>
        attributes["clusternet.peers"] === 1
      ),
    ), patience(10_000));
  const text = collector.child.lines.join("\n");
  for (const key of await keysOf(lab)) assert.ok(!text.includes(key));
}

/** Public keys, of which none is told. */
async function keysOf(lab: Lab): Promise<readonly string[]> {
  const keys = await Promise.all(lab.nodes.map((node) => node.peers()));
  assert.equal(keys.flat().length, 2);
  return keys.flat();
}

/** The list, and under it Deno's own span of the request. */
async function sendsList(collector: Collector): Promise<void> {
  const list = ours(collector).find(({ name }) => name === "list-nodes");
  assert.ok(list !== undefined);
  assert.equal(list.parent, "");
  assert.equal(list.attributes["clusternet.nodes"], 2);
  assert.equal(list.attributes["clusternet.again"], false);
  assert.equal(list.error, undefined);
  const [request] = await eventually("Deno's own span has come", () => {
    const children = childrenOf(collector.spans(), list);
    return Promise.resolve(children.length > 0 ? children : undefined);
  });
  assert.equal(request?.scope, "deno");
  assert.match(String(request?.attributes["url.full"]), /\/api\/v1\/nodes\?/);
}

async function repairs(node: LabNode): Promise<void> {
  await node.space.sh("ip route del 10.0.0.0/16 dev clusternet");
  await eventually("the route is there again", async () => {
    const routes = await node.space.sh("ip route show dev clusternet");
    return routes.includes("10.0.0.0/16") ? true : undefined;
  }, patience(10_000));
}

async function sendsRepair(collector: Collector, node: LabNode): Promise<void> {
  const before = ours(collector).length;
  await repairs(node);
  const turn = await eventually(
    "a turn has told of the repair",
    () =>
      Promise.resolve(
        ours(collector).slice(before).find(({ attributes, name }) =>
          name === "turn" && Number(attributes["clusternet.steps"]) > 0
        ),
      ),
    patience(10_000),
  );
  assert.equal(turn.attributes["clusternet.clean"], true);
  assert.equal(turn.error, undefined);
}

/** It repairs, says nothing of it, and ends when it is told to. */
async function worksWithoutCollector(node: LabNode): Promise<void> {
  const { agent } = node;
  assert.ok(agent !== undefined);
  await repairs(node);
  const said = agent.lines.filter((line) =>
    /otel|opentelemetry|export|4318|4319/i.test(line)
  );
  assert.deepEqual(said, []);
  const began = performance.now();
  assert.equal(await node.stopAgent(), 0);
  // Half a second for the collector, and what an agent takes without one.
  assert.ok(performance.now() - began < patience(2_500));
}
