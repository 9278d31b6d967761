import assert from "node:assert/strict";
import {
  addPods,
  bringUp,
  eventually,
  labTest,
  losesNothing,
  patience,
} from "./harness.ts";
import { peerLines } from "./look.ts";
import { ANNOTATION } from "./convergence.ts";
import { type Hostile, hostileNodes } from "./hostile_nodes.ts";
import type { Lab } from "./lab.ts";
import type { LabNode } from "./node.ts";

labTest(
  "hostile Nodes cost the good ones nothing, and a log line each",
  {},
  async (lab) => {
    await bringUp(lab);
    await addPods(lab, 1);
    const keys = await Promise.all(lab.nodes.map((node) => keyOf(lab, node)));
    const hostile = hostileNodes(lab.nodes, keys);
    assert.ok(hostile.length >= 20, `${hostile.length}`);
    const before = await everyPeer(lab);
    await losesNothing(lab, async () => {
      for (const { name, text } of hostile) await lab.api.putRaw(name, text);
      await seen(lab, "bad-sentinel-1");
      assertPeers(await everyPeer(lab), before, hostile);
      for (let beat = 0; beat < 3; beat++) {
        for (const { name, text } of hostile) {
          await lab.api.putRaw(
            name,
            text.replace('"kind"', `"beat":${beat},"kind"`),
          );
        }
      }
      await seen(lab, "bad-sentinel-2");
      assertPeers(await everyPeer(lab), before, hostile);
      for (const node of lab.nodes) assertOneLineEach(node, hostile);
      for (const { name } of hostile) await lab.api.removeRaw(name);
      await seen(lab, "bad-sentinel-3");
    });
    assert.deepEqual(await everyPeer(lab), before, "after they have gone");
  },
);

labTest(
  "a good Node that goes and comes keeps the others' sessions",
  {},
  async (lab) => {
    await bringUp(lab);
    await addPods(lab, 1);
    const [, , third] = lab.nodes;
    assert.ok(third !== undefined);
    const before = await everyPeer(lab);
    const stored = await lab.api.node(third.name);
    await losesNothing(
      lab,
      async () => {
        await lab.api.remove(third.name);
        await eventually("its peer is gone", async () => {
          const [first] = lab.nodes;
          const left = first === undefined ? [] : await first.peers();
          return left.length === 1 ? true : undefined;
        }, patience(5_000));
        await lab.api.putRaw(third.name, JSON.stringify(stored));
        await eventually("its peer is back", async () => {
          const now = await everyPeer(lab);
          return JSON.stringify(now) === JSON.stringify(before)
            ? true
            : undefined;
        }, patience(10_000));
      },
    );
  },
);

async function keyOf(lab: Lab, node: LabNode): Promise<string> {
  const { metadata } = await lab.api.node(node.name);
  return metadata.annotations?.[ANNOTATION] ?? "";
}

type Peers = Readonly<Record<string, readonly string[]>>;

async function everyPeer(lab: Lab): Promise<Peers> {
  const all: Record<string, readonly string[]> = {};
  for (const node of lab.nodes) all[node.name] = await peerLines(node);
  return all;
}

/** The good ones as before; a hostile one only where nothing is wrong with it. */
function assertPeers(
  now: Peers,
  before: Peers,
  hostile: readonly Hostile[],
): void {
  for (const [name, good] of Object.entries(before)) {
    const lines = now[name] ?? [];
    assert.deepEqual(good.filter((line) => !lines.includes(line)), [], name);
    const more = lines.length - good.length;
    const fine = hostile.filter(({ fineFor }) => fineFor.includes(name)).length;
    assert.equal(more, fine, `peers of ${name}:\n${lines.join("\n")}`);
  }
}

/** A bad Node that every agent says something about: all before it has been looked at. */
async function seen(lab: Lab, name: string): Promise<void> {
  const text = {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, uid: name, annotations: { [ANNOTATION]: "no key" } },
  };
  await lab.api.putRaw(name, JSON.stringify(text));
  for (const node of lab.nodes) {
    await eventually(`${node.name} has looked at ${name}`, () => {
      const lines = node.agent?.lines ?? [];
      return Promise.resolve(
        lines.some((line) => line.includes(name)) || undefined,
      );
    }, patience(10_000));
  }
  await lab.api.removeRaw(name);
}

function assertOneLineEach(node: LabNode, hostile: readonly Hostile[]): void {
  const lines = node.agent?.lines ?? [];
  for (const { name, what } of hostile) {
    const about = lines.filter((line) => line.includes(name));
    assert.equal(
      about.length,
      1,
      `${node.name} about ${name} (${what}):\n${about.join("\n")}`,
    );
  }
}
