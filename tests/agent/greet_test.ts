import assert from "node:assert/strict";
import { Greeter } from "../../mod/agent/greet.ts";
import type { ProbePort } from "../../mod/agent/ports.ts";
import { systemClock } from "../../mod/sys/clock.ts";
import { eventually } from "../support/eventually.ts";
import { type Bench, listed, makeBench, node } from "./bench.ts";

class HeardProbe implements ProbePort {
  readonly heard: string[] = [];

  probe(address: string): ReturnType<ProbePort["probe"]> {
    this.heard.push(address);
    const failure = "no answer within 2 s";
    return Promise.resolve({
      answered: false,
      roundTripMs: undefined,
      failure,
    });
  }
}

/** Lets an agent look at the kernel, and says whom it greets meanwhile. */
async function greeted(
  bench: Bench,
  turns: (
    turn: () => Promise<void>,
    heard: readonly string[],
  ) => Promise<void>,
  expected: number,
): Promise<readonly string[]> {
  const probe = new HeardProbe();
  const { nodes, reconciler } = bench;
  const greeter = new Greeter({ clock: systemClock, nodes, probe });
  const stop = new AbortController();
  const running = greeter.run(stop.signal);
  const turn = async (): Promise<void> =>
    greeter.turned(await reconciler.turn("full"));
  await turns(turn, probe.heard);
  await eventually(() => probe.heard.length >= expected);
  stop.abort();
  await running;
  return probe.heard.sort();
}

Deno.test("on a new link each peer is greeted once, at its link's address", async () => {
  const bench = await makeBench();
  listed(bench, 4);
  const heard = await greeted(bench, async (turn) => {
    await turn();
    await turn();
  }, 3);
  assert.deepEqual(heard, ["10.0.2.1", "10.0.3.1", "10.0.4.1"]);
});

Deno.test("a link that was there before the agent is not greeted from", async () => {
  const bench = await makeBench();
  listed(bench, 4);
  await bench.reconciler.turn("full");
  const next = await bench.restart();
  listed(next, 4);
  assert.deepEqual(await greeted(next, (turn) => turn(), 0), []);
});

Deno.test("where the first list comes late, the peers are greeted when they are there", async () => {
  const bench = await makeBench();
  const heard = await greeted(bench, async (turn) => {
    await turn();
    listed(bench, 3);
    await turn();
  }, 2);
  assert.deepEqual(heard, ["10.0.2.1", "10.0.3.1"]);
});

Deno.test("a peer that comes later greets us, not we it", async () => {
  const bench = await makeBench();
  listed(bench, 2);
  const heard = await greeted(bench, async (turn, heard) => {
    await turn();
    await eventually(() => heard.length === 1);
    bench.nodes.upsert(node(9));
    await turn();
  }, 1);
  assert.deepEqual(heard, ["10.0.2.1"]);
});
