import assert from "node:assert/strict";
import { Health } from "../../mod/agent/health.ts";
import { Overview } from "../../mod/agent/overview.ts";
import { CONFIG, listed, makeBench } from "./bench.ts";

Deno.test("a peer that answers WireGuard's second try is not called down; one that does not is, and sooner the next time", async () => {
  const bench = await makeBench();
  listed(bench, 3);
  await bench.reconciler.turn("full");
  const { clock, kernel, nodes, publicKey } = bench;
  const waits: number[] = [];
  const overview = new Overview({
    ...{ clock, config: CONFIG, health: new Health(), nodes, publicKey },
    server: "https://192.0.2.1:6443",
    wallClock: () => 1_700_000_000_000 + clock.now(),
    world: { wireGuard: kernel.wireguard, routes: kernel.routes },
    probe: {
      probe: async (address, timeoutMs) => {
        waits.push(timeoutMs);
        const answersMs = address.startsWith("10.0.2.") ? 5_400 : Infinity;
        await clock.sleep(Math.min(answersMs, timeoutMs));
        const answered = answersMs < timeoutMs;
        const failure = answered ? "" : "no answer";
        return { answered, roundTripMs: undefined, failure };
      },
    },
  });
  const states = async (): Promise<readonly string[]> =>
    (await overview.status()).peers.map(({ node, state }) =>
      `${node} ${state}`
    );
  const first = overview.probeAll();
  await clock.advance(6_000);
  await first;
  assert.deepEqual(await states(), ["n2 idle", "n3 down"]);
  const second = overview.probeAll();
  await clock.advance(6_000);
  await second;
  const anew = overview.probeAll("anew");
  await clock.advance(6_000);
  await anew;
  assert.deepEqual(waits, [6_000, 6_000, 6_000, 3_000, 6_000, 6_000]);
  assert.deepEqual(await states(), ["n2 idle", "n3 down"]);
});
