import { Historian } from "../../mod/agent/historian.ts";
import { History } from "../../mod/core/history.ts";
import assert from "node:assert/strict";
import { Health, type Source } from "../../mod/agent/health.ts";
import { Overview } from "../../mod/agent/overview.ts";
import type { Report, Scope } from "../../mod/agent/report.ts";
import { agentPages, type PageTable } from "../../mod/cli/pages.ts";
import { loadShim } from "../../mod/sys/shim.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { CONFIG, makeBench } from "../agent/bench.ts";
import { problem } from "../support/problems.ts";

const SHIM = await loadShim();

interface Asked {
  readonly clock: VirtualClock;
  readonly health: Health;
  turn(scope?: Scope): void;
  ask(path: string): Promise<readonly [number, string]>;
}

async function agent(): Promise<Asked> {
  const { kernel, nodes, publicKey } = await makeBench();
  const clock = new VirtualClock();
  const health = new Health();
  const overview = new Overview({
    clock,
    config: CONFIG,
    health,
    nodes,
    probe: { probe: () => Promise.reject(new Error("nobody asks")) },
    publicKey,
    server: "https://192.0.2.1:6443",
    wallClock: () => 0,
    world: { wireGuard: kernel.wireguard, routes: kernel.routes },
  });
  const history = new History(() => 0);
  const pages: PageTable = agentPages({
    ...{ clock, config: CONFIG, health, overview },
    historian: new Historian(history),
    history,
    shim: SHIM,
  });
  return {
    clock,
    health,
    turn: (scope = "full") =>
      overview.turned({ report: { ...REPORT, scope }, milliseconds: 1 }),
    ask: async (path) => {
      const page = await pages[path]?.({
        ...{ path, accept: "", query: new URLSearchParams() },
        signal: new AbortController().signal,
      });
      return [page?.status ?? 0, String(page?.body).trimEnd()];
    },
  };
}

const REPORT: Report = {
  ...{ scope: "full", applied: 0, newLink: false, problems: [], clean: true },
  network: undefined,
};

function allWell({ health }: Asked): void {
  const sources: readonly Source[] = ["kernel", "nodes", "key", "version"];
  for (const source of sources) health.report(source, []);
}

Deno.test("/healthz fails once the loop has hung for two minutes, and for nothing else", async () => {
  const asked = await agent();
  assert.deepEqual(await asked.ask("/healthz"), [200, "ok"]);
  asked.turn();
  asked.health.report("kernel", [problem("it rains")]);
  asked.health.report("nodes", [problem("the API server is away")]);
  assert.deepEqual(await asked.ask("/healthz"), [200, "ok"]);
  await asked.clock.advance(119_000);
  assert.deepEqual(await asked.ask("/healthz"), [200, "ok"]);
  await asked.clock.advance(2_000);
  assert.deepEqual(await asked.ask("/healthz"), [
    503,
    "The agent has looked at nothing for 121 s",
  ]);
  asked.turn();
  assert.deepEqual(await asked.ask("/healthz"), [200, "ok"]);
});

Deno.test("/readyz says what is missing, a sentence a line, until all stands", async () => {
  const asked = await agent();
  const [status, text] = await asked.ask("/readyz");
  assert.equal(status, 503);
  assert.match(text, /The public key is not on the Node yet/);
  assert(text.split("\n").length >= 3, text);
  allWell(asked);
  asked.turn();
  assert.deepEqual(await asked.ask("/readyz"), [200, "OK, 0 peers"]);
  asked.health.report("key", [problem("Cannot patch Node n1")]);
  assert.deepEqual(await asked.ask("/readyz"), [503, "Cannot patch Node n1"]);
});

Deno.test("/readyz fails where the kernel was last looked at a minute ago, whatever is said of Nodes", async () => {
  const asked = await agent();
  allWell(asked);
  asked.turn();
  await asked.clock.advance(59_000);
  asked.turn("peers");
  assert.equal((await asked.ask("/readyz"))[0], 200);
  await asked.clock.advance(2_000);
  assert.deepEqual(await asked.ask("/readyz"), [
    503,
    "The kernel was last looked at 61 s ago",
  ]);
  asked.turn("full");
  assert.equal((await asked.ask("/readyz"))[0], 200);
});
