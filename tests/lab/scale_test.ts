/**
 * The running agent among 5,000 Nodes (faults 23 and 24 of the design, I7, I13,
 * I29): what it does, and what it costs. The figures are printed.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import type { JsonObject } from "../fakes/api_store.ts";
import { ApiServer } from "../fakes/api_server.ts";
import { eventually } from "../support/eventually.ts";
import { kubeletNode } from "../support/kubelet_node.ts";
import { testKey } from "../support/nodes.ts";
import { figuresOf, megabytes } from "../support/process_figures.ts";
import { Random } from "../support/random.ts";
import { skipped } from "../support/skip.ts";
import { BigCluster, nameOf, pause } from "./big_cluster.ts";
import { Child, must } from "./exec.ts";
import { inNamespace } from "./in_namespace.ts";
import { V8_FLAGS } from "../../deploy/permissions.ts";

const NODES = 5_000;
const MB = 1024 * 1024;
/** The promise is 256 MB. */
const RESIDENT_BYTES = 128 * MB;

const ignore = skipped("scale_test.ts", {
  root: true,
  commands: ["wireguard-go", "ip", "unshare", "nsenter", "setpriv"],
  files: ["/dev/net/tun"],
});

if (!ignore) inNamespace(import.meta.url, tests);

function tests(): void {
  Deno.test("the agent among 5,000 Nodes", agentAmongMany);
  Deno.test("the watch after 300 cuts costs what it cost before", cuts);
}

async function agentAmongMany(t: Deno.TestContext): Promise<void> {
  await using cluster = await BigCluster.start({ nodes: NODES });
  const say = (what: string): void => {
    const { anonymousBytes, residentBytes, cpuSeconds } = cluster.figures();
    console.log(
      `${what}: ${megabytes(anonymousBytes)} of its own, ${
        megabytes(residentBytes)
      } resident, ${cpuSeconds.toFixed(2)} s of CPU so far`,
    );
  };

  await t.step("has 4,999 peers when it says that it is ready", async () => {
    const milliseconds = await cluster.startAgent();
    assert.equal(cluster.model().size, NODES - 1);
    await converged(cluster, 0);
    say(`ready after ${Math.round(milliseconds)} ms`);
  });

  await t.step("one change is in WireGuard within a second", async () => {
    const times: number[] = [];
    for (let at = 0; at < 20; at++) {
      times.push(await cluster.move(2 + at, `172.31.0.${1 + at}`));
      await pause(50);
    }
    times.sort((a, b) => a - b);
    const [p50 = 0, worst = 0] = [times[10], times.at(-1)];
    assert.ok(worst < 1_000, `took ${worst} ms`);
    console.log(
      `a change: median ${p50.toFixed(0)}, worst ${worst.toFixed(0)} ms`,
    );
    await converged(cluster, 0);
  });

  await t.step(
    "no-op updates of all Nodes change and write nothing",
    async () => {
      const from = cluster.agent.lines.length;
      const requests = cluster.server.count("patch", "list", "watch", "get");
      const before = cluster.figures();
      await cluster.heartbeats(2 * NODES);
      const milliseconds = await cluster.move(2, "172.31.1.1");
      const { cpuSeconds, files } = cluster.figures();
      const lines = cluster.agent.lines.slice(from);
      assert.equal(lines.length, 1, lines.join("\n"));
      assert.equal(
        cluster.server.count("patch", "list", "watch", "get"),
        requests,
      );
      const cost = (cpuSeconds - before.cpuSeconds) / (2 * NODES);
      console.log(
        `a no-op update: ${
          (cost * 1e6).toFixed(0)
        } µs of CPU; a change right ` +
          `behind ${2 * NODES} of them: ${milliseconds.toFixed(0)} ms`,
      );
      assert.ok(cost < 0.001, `${cost} s`);
      assert.ok(files <= before.files, `${before.files}, then ${files} files`);
    },
  );

  await t.step("after random changes WireGuard equals the model", async () => {
    const random = new Random(20261122);
    console.log(`seed ${random.seed}`);
    for (let at = 0; at < 3_000; at++) {
      change(cluster, random);
      if (at % 25 === 0) await pause(10);
      if (at === 1_500) cluster.server.watches.end("cut");
    }
    await converged(cluster, 30_000);
  });

  await t.step("a new list of the same Nodes changes nothing", async () => {
    const from = cluster.agent.lines.length;
    cluster.server.store.compact();
    cluster.server.store.skip(1);
    cluster.server.store.compact();
    cluster.server.watches.end("cut");
    await eventually(() => cluster.server.watches.size === 1, {
      within: 30_000,
      what: "the new watch",
    });
    await cluster.move(2, "172.31.1.2");
    const changes = cluster.changesSince(from);
    assert.equal(changes.length, 1, changes.join("\n"));
  });

  await t.step("stays small", () => {
    say("in the end");
    const { residentBytes } = cluster.figures();
    assert.ok(residentBytes < RESIDENT_BYTES, megabytes(residentBytes));
  });
}

/** Nodes come, go, move, change keys and podCIDRs, and claim what is others'. */
function change(cluster: BigCluster, random: Random): void {
  const n = 2 + random.below(NODES);
  const other = 2 + random.below(NODES);
  const node = random.pick<() => JsonObject | undefined>([
    () => undefined,
    () => kubeletNode(n),
    () => kubeletNode(n, { internalIp: `172.30.${n >> 8}.${n & 255}` }),
    () => kubeletNode(n, { publicKey: testKey(10_000 + random.below(9)) }),
    () => kubeletNode(n, { publicKey: testKey(other) }),
    () => kubeletNode(n, { publicKey: null }),
    () => kubeletNode(n, { podCidr: `10.${other >> 8}.${other & 255}.0/25` }),
    () => kubeletNode(n, { podCidr: `10.${other >> 8}.0.0/20` }),
    () => kubeletNode(n, { podCidr: `10.${100 + (n >> 8)}.${n & 255}.0/24` }),
  ])();
  if (node === undefined) cluster.remove(n);
  else cluster.put(n, node);
}

/** Waits until WireGuard has the peers of the model, and no other. */
async function converged(cluster: BigCluster, withinMs: number): Promise<void> {
  const want = cluster.model();
  const end = performance.now() + withinMs;
  for (;;) {
    const have = await cluster.peers();
    const keys = [...new Set([...have.keys(), ...want.keys()])];
    const wrong = keys.filter((key) =>
      !isDeepStrictEqual(have.get(key), want.get(key))
    );
    if (wrong.length === 0) return;
    if (performance.now() > end) {
      const rows = wrong.slice(0, 3).map((key) =>
        JSON.stringify([have.get(key) ?? null, want.get(key) ?? null])
      );
      assert.fail(
        `${wrong.length} peers differ, have and want: ${rows.join()}`,
      );
    }
    await pause(500);
  }
}

/** Cuts of one watch; after each twentieth the server has forgotten, and all is listed anew. */
const CUTS = 300;
/** From this cut to that one V8's heap finds its size: what it takes then is what it may take. */
const SETTLING = [20, 80] as const;
/** At the end even the least that it takes would show a leak. */
const LAST = 40;
/** Milliseconds, a hundred times faster than life: a watch that lived so long was a good one. */
const GOOD_MS = 60;

/** The watch alone, because the whole agent would pace 200 reconnections to 13 minutes. */
async function cuts(): Promise<void> {
  await must(["ip", "link", "set", "lo", "up"]);
  await using server = ApiServer.start({ history: 2_000 });
  for (let n = 1; n <= NODES; n++) server.store.put(nameOf(n), kubeletNode(n));
  const program = new URL("./watch_main.ts", import.meta.url);
  const watcher = new Child("the watcher", [
    ...[Deno.execPath(), "run", "--allow-all", "--no-check", "--quiet"],
    ...[V8_FLAGS, fileURLToPath(program), server.url],
  ]);
  try {
    const watched = (times: number): Promise<void> =>
      eventually(() => server.count("watch") >= times, {
        within: 20_000,
        what: `the watch: ${watcher.lines.slice(-3).join(" ")}`,
      });
    await watched(1);
    await pause(GOOD_MS);
    const figures = [figuresOf(watcher.pid)];
    for (let at = 1; at <= CUTS; at++) {
      const seen = server.count("watch");
      const forgets = at % 20 === 0;
      if (forgets) {
        server.store.skip(1);
        server.store.compact();
      }
      server.watches.end(at % 50 === 5 ? "cut" : "eof");
      // What is forgotten is asked for once more before all is listed.
      await watched(seen + (forgets ? 2 : 1));
      await pause(GOOD_MS);
      figures.push(figuresOf(watcher.pid));
    }
    const own = figures.map(({ anonymousBytes }) => anonymousBytes);
    const before = Math.max(...own.slice(...SETTLING));
    const after = Math.min(...own.slice(-LAST));
    const files = figures.map((one) => one.files);
    const [filesBefore = 0, filesAfter = 0] = [
      files[SETTLING[0]],
      files.at(-1),
    ];
    const lists = server.requests.filter(({ search }) =>
      search.includes("sendInitialEvents")
    ).length;
    console.log(
      `${CUTS} cuts, ${lists} lists: at most ${megabytes(before)} from cut ` +
        `${SETTLING.join(" to ")}, at least ${megabytes(after)} in the last ` +
        `${LAST}; ${filesBefore}, then ${filesAfter} files`,
    );
    assert.ok(lists > CUTS / 20, "each twentieth cut is followed by a list");
    assert.ok(after < before * 1.15);
    assert.ok(filesAfter <= filesBefore + 1);
  } finally {
    await watcher.stop("SIGKILL");
  }
}
