/**
 * The executable traces: what hides the environment from the program does not
 * hide it from Deno, and nothing that tracing needs is missing among permissions.
 *
 * @module
 */

import assert from "node:assert/strict";
import { COLLECTOR, Collector } from "../lab/collector.ts";
import { bringUp, eventually, labTest, patience } from "../lab/harness.ts";
import { firstNode } from "../lab/look.ts";
import { EXECUTABLE } from "../support/bundled.ts";

labTest(
  "the executable sends its turns under OTEL_DENO=true, as clusternet's, and nothing without",
  { nodes: 2, agent: [EXECUTABLE] },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    const collector = await Collector.start(node);
    try {
      await node.stopAgent();
      node.startAgent([], {
        OTEL_DENO: "true",
        OTEL_EXPORTER_OTLP_ENDPOINT: COLLECTOR,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_BSP_SCHEDULE_DELAY: "200",
      });
      const turn = await eventually(
        "a turn has come",
        () => Promise.resolve(collector.spans().find(isTurn)),
        patience(10_000),
      );
      assert.equal(turn.encoding, "json");
      assert.equal(turn.resource["service.name"], "clusternet");
      await node.stopAgent();
      const before = collector.child.lines.length;
      node.startAgent();
      await node.agent?.line(/Ready:/, { withinMs: patience(10_000) });
      await node.stopAgent();
      assert.equal(collector.child.lines.length, before);
    } finally {
      await collector.stop();
    }
  },
);

function isTurn({ name }: { readonly name: string }): boolean {
  return name === "turn";
}
