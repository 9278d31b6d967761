import assert from "node:assert/strict";
import { type LabCondition, nodeObject } from "./api.ts";
import {
  bringUp,
  eventually,
  labTest,
  patience,
  pause,
  settled,
} from "./harness.ts";
import type { Lab } from "./lab.ts";
import { firstNode, ready, writesOf } from "./look.ts";

async function seen(
  lab: Lab,
  name: string,
  reason: string,
): Promise<LabCondition> {
  return await eventually(`${name} says ${reason}`, async () => {
    const condition = await lab.api.networkCondition(name);
    return condition?.reason === reason ? condition : undefined;
  }, patience(30_000));
}

labTest(
  "NetworkUnavailable is False once all stands, and again when somebody says otherwise",
  { nodes: 2 },
  async (lab) => {
    await lab.boot();
    await lab.register();
    for (const node of lab.nodes) node.startAgent();
    const { name } = firstNode(lab);
    await pause(patience(1_000));
    assert.equal(await lab.api.networkCondition(name), undefined, "too early");
    await lab.assignPodCidrs();
    await settled(lab);
    const { status, lastTransitionTime } = await seen(
      lab,
      name,
      "ClusternetIsUp",
    );
    assert.equal(status, "False");
    const theirs = {
      type: "NetworkUnavailable",
      status: "True",
      reason: "NoRouteCreated",
      message: "as a cloud provider says",
      lastTransitionTime: "2025-01-01T00:00:00Z",
    };
    const other = { type: "DiskPressure", status: "False" };
    await lab.api.patchStatus(name, {
      status: { conditions: [other, theirs] },
    });
    const again = await seen(lab, name, "ClusternetIsUp");
    assert.ok(again.lastTransitionTime >= lastTransitionTime);
    const { status: whole } = await lab.api.node(name);
    assert.deepEqual(
      whole?.conditions?.map(({ type }) => type),
      ["DiskPressure", "NetworkUnavailable"],
    );
    await lab.api.patchStatus(name, { status: { conditions: [other] } });
    await seen(lab, name, "ClusternetIsUp");
    const writes = await writesOf(lab);
    await lab.api.patch(name, { metadata: { labels: { heart: "beat" } } });
    await pause(patience(1_000));
    assert.deepEqual(await writesOf(lab), writes, "then it rests");
    await lab.api.remove(name);
    await lab.api.create(nodeObject(firstNode(lab).plan));
    await seen(lab, name, "ClusternetIsUp");
    await settled(lab);
  },
);

labTest(
  "NetworkUnavailable is True while the network is down, with the sentence that says why; signals leave it",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    const up = await seen(lab, node.name, "ClusternetIsUp");
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      await node.stopAgent(signal);
      assert.deepEqual(await lab.api.networkCondition(node.name), up);
      node.startAgent();
      await ready(node);
    }
    await lab.api.goDown();
    await pause(patience(1_000));
    await lab.api.comeBack();
    assert.deepEqual(await lab.api.networkCondition(node.name), up);
    await node.space.sh(
      "ip route replace 10.0.0.0/16 dev lo proto static",
    );
    await node.agent?.line(/Degraded: .*in the way/, {
      withinMs: patience(10_000),
    });
    const writes = await writesOf(lab);
    await pause(patience(1_000));
    assert.deepEqual(await writesOf(lab), writes, "not for a moment's repair");
    const down = await seen(lab, node.name, "ForeignRoute");
    assert.equal(down.status, "True");
    assert.match(
      down.message,
      /^A route to 10\.0\.0\.0\/16 by somebody else .* is in the way/,
    );
    await node.stopAgent("SIGTERM");
    assert.deepEqual(await lab.api.networkCondition(node.name), down);
    await node.space.sh("ip route del 10.0.0.0/16 dev lo proto static");
    node.startAgent();
    await settled(lab);
    await seen(lab, node.name, "ClusternetIsUp");
  },
);

labTest(
  "--node-condition=false and --once leave NetworkUnavailable alone",
  { nodes: 2 },
  async (lab) => {
    await lab.boot();
    await lab.register();
    await lab.assignPodCidrs();
    const [first, second] = lab.nodes;
    assert.ok(first !== undefined && second !== undefined);
    first.startAgent(["--node-condition=false"]);
    await ready(first);
    second.startAgent(["--once"]);
    await second.agent?.line(/OK, 1 peer/, { withinMs: patience(10_000) });
    await pause(patience(1_000));
    for (const { name } of lab.nodes) {
      assert.equal(await lab.api.networkCondition(name), undefined);
    }
  },
);
