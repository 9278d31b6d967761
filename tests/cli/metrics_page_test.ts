import assert from "node:assert/strict";
import { MetricsPage, PEERS_LIMIT } from "../../mod/cli/metrics_page.ts";
import type { Config } from "../../mod/core/config.ts";
import { loadShim } from "../../mod/sys/shim.ts";
import { METRICS } from "../../mod/view/metrics.ts";
import { statusOf } from "../support/statuses.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const SHIM = await loadShim();

interface Scrape {
  /** Lines with a value. */
  readonly series: readonly string[];
  readonly perPeer: number;
  /** Looks at who is silent. */
  readonly probes: number;
}

async function scrape(
  nodes: number,
  metricsPerPeer: Config["metricsPerPeer"],
): Promise<Scrape> {
  let probes = 0;
  const page = new MetricsPage({
    clock: new VirtualClock(),
    config: { metricsPerPeer },
    overview: {
      status: () => Promise.resolve(statusOf(nodes)),
      probeAll: () => Promise.resolve(void probes++),
    },
    shim: SHIM,
  });
  const { body } = await page.page({ accept: "" });
  assert(typeof body === "string");
  const series = body.split("\n").filter((line) => /^[a-z]/.test(line));
  const perPeer = series.filter((line) => line.includes("friendly_name="));
  return { series, perPeer: perPeer.length, probes };
}

Deno.test("auto: six series for each peer of up to 200 Nodes, and none beyond", async () => {
  const few = await scrape(PEERS_LIMIT, "auto");
  assert.equal(few.perPeer, 6 * statusOf(PEERS_LIMIT).peers.length);
  assert.equal(few.probes, 1);
  const many = await scrape(PEERS_LIMIT + 1, "auto");
  assert.deepEqual([many.perPeer, many.probes], [0, 0]);
});

Deno.test("5,000 Nodes have as many series as 201, fewer than four for each metric", async () => {
  const many = await scrape(5_000, "auto");
  const names = (lines: readonly string[]): readonly string[] =>
    lines.map((line) => line.replace(/ \S+$/, ""));
  const few = await scrape(PEERS_LIMIT + 1, "auto");
  assert.deepEqual(names(many.series), names(few.series));
  assert(many.series.length < 4 * METRICS.length, `${many.series.length}`);
});

Deno.test("true and false say it for all sizes", async () => {
  const all = await scrape(5_000, true);
  assert.equal(all.perPeer, 6 * statusOf(5_000).peers.length);
  assert.equal((await scrape(3, false)).perPeer, 0);
});
