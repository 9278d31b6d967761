import assert from "node:assert/strict";
import { firstAddress, parsePrefix } from "../../mod/core/address.ts";
import { run } from "./exec.ts";
import {
  addPods,
  bringUp,
  eventually,
  labTest,
  losesNothing,
  patience,
  pause,
} from "./harness.ts";
import {
  dataPlane,
  firstNode,
  peerLines,
  ready,
  runAgent,
  sentences,
  writesOf,
} from "./look.ts";

labTest(
  "SIGTERM ends the agent within a second; tunnels and pods go on",
  {},
  async (lab) => {
    await bringUp(lab);
    await addPods(lab, 1);
    const node = firstNode(lab);
    const before = await dataPlane(node);
    await losesNothing(lab, async () => {
      const begin = performance.now();
      assert.equal(await node.stopAgent("SIGTERM"), 0);
      const took = performance.now() - begin;
      assert.ok(took < patience(1000), `${took} ms`);
      await pause(500);
    });
    assert.equal(await dataPlane(node), before);
  },
);

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  labTest(
    `restarts by ${signal} lose no packet and change nothing`,
    {},
    async (lab) => {
      await bringUp(lab);
      await addPods(lab, 1);
      const node = firstNode(lab);
      const before = await dataPlane(node);
      const peers = await peerLines(node);
      const writes = await writesOf(lab);
      await losesNothing(lab, async () => {
        for (let round = 0; round < 3; round++) {
          await node.stopAgent(signal);
          node.startAgent();
          await ready(node);
        }
      });
      assert.equal(await dataPlane(node), before);
      assert.deepEqual(await peerLines(node), peers);
      assert.deepEqual(await writesOf(lab), writes, "a restart writes nothing");
    },
  );
}

labTest(
  "a second agent on the same link refuses to start and touches nothing",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    const before = await dataPlane(node);
    const { code, stdout, stderr } = await runAgent(
      node,
      node.agentCommand(),
    );
    assert.equal(code, 1, stdout + stderr);
    const [sentence = "", ...more] = sentences(stderr);
    assert.match(sentence, /^clusternet: .*link clusternet.*another agent/);
    assert.deepEqual(more, []);
    assert.equal(await dataPlane(node), before);
    assert.ok(node.agent?.running);
  },
);

labTest(
  "an API server that goes and comes back costs no packet and no peer",
  {},
  async (lab) => {
    await bringUp(lab);
    await addPods(lab, 1);
    const [first, , third] = lab.nodes;
    assert.ok(first !== undefined && third !== undefined);
    const before = await peerLines(first);
    await losesNothing(lab, async () => {
      await lab.api.goDown();
      await pause(3_000);
      assert.deepEqual(await peerLines(first), before, "while it is away");
      for (const node of lab.nodes) assert.ok(node.agent?.running);
      await lab.api.comeBack();
      await lab.api.remove(third.name);
      await eventually("the news of the absence has arrived", async () => {
        return (await first.peers()).length === 1 ? true : undefined;
      }, patience(40_000));
    });
  },
);

labTest(
  "a node that was rebooted is reached again at once, not after the other's next handshake",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const [one, other] = lab.nodes;
    assert.ok(one !== undefined && other !== undefined);
    const [cidr = ""] = other.plan.podCidrs;
    const address = firstAddress(parsePrefix(cidr));
    const reach = async (): Promise<true | undefined> => {
      const command = ["ping", "-c", "1", "-W", "1", address];
      return (await run(one.space.command(command))).code === 0
        ? true
        : undefined;
    };
    await eventually("one reaches the other", reach);
    await other.reboot();
    // Left to itself the other one would hold on to its session for 15 s.
    assert.equal(await reach(), undefined, "nobody is there");
    other.startAgent();
    await ready(other);
    await eventually("one reaches the other again", reach, patience(5_000));
  },
);
