import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import { type DryRun, dryRun } from "../../mod/core/dry_run.ts";
import type { Snapshot } from "../../mod/core/snapshot.ts";
import type { State } from "../../mod/core/state.ts";
import { takeSnapshot } from "../../mod/agent/snapshot.ts";
import { planText } from "../../mod/view/plan_text.ts";
import {
  type Bench,
  CONFIG,
  keyOf,
  listed,
  makeBench,
} from "../agent/bench.ts";

async function settledBench(): Promise<Bench> {
  const bench = await makeBench();
  listed(bench, 3);
  const { problems } = await bench.reconciler.turn("full");
  assert.deepEqual(problems, []);
  return bench;
}

async function lookAt(
  bench: Bench,
  change: Partial<Snapshot> = {},
): Promise<Snapshot> {
  const { conflist, kernel, nodes, publicKey } = bench;
  const snapshot = await takeSnapshot({
    config: CONFIG,
    publicKey,
    world: {
      wireGuard: kernel.wireguard,
      routes: kernel.routes,
      sysctl: kernel.sysctl,
      tables: kernel.tables,
      conflist,
    },
    nodes: nodes.all(),
    listed: nodes.listed,
    running: false,
    wallClock: () => Date.parse("2026-01-02T00:00:00Z"),
  });
  return { ...snapshot, ...change };
}

Deno.test("takeSnapshot() asks the kernel for nothing but what is", async () => {
  const bench = await settledBench();
  bench.kernel.forgetWrites();
  const { writes } = bench.conflist;
  const { problems, steps } = dryRun(await lookAt(bench));
  assert.deepEqual([problems, steps], [[], []]);
  assert.deepEqual(bench.kernel.writes, []);
  assert.equal(bench.conflist.writes, writes);
});

Deno.test("dryRun() has the steps of the agent's next full turn, whatever was changed", async () => {
  const bench = await makeBench();
  listed(bench, 4);
  const first = dryRun(await lookAt(bench));
  const commands = async (run: DryRun): Promise<void> => {
    const before = bench.log.lines.length;
    await bench.reconciler.turn("full");
    const said = bench.log.lines.slice(before).map(({ message }) => message);
    assert.deepEqual(run.steps.map(({ command }) => command), said);
  };
  await commands(first);
  const { hand } = bench.kernel;
  hand.removeRoutes(({ metric }) => metric === 0);
  hand.setLinkDown("clusternet");
  hand.setSysctl("net/ipv4/ip_forward", "0");
  hand.flushRuleset();
  hand.removePeer("clusternet", keyOf(2));
  bench.reconciler.distrust();
  await commands(dryRun(await lookAt(bench)));
});

interface Reason {
  readonly what: string;
  readonly change: (state: State) => State;
  readonly why: RegExp;
}

const REASONS: readonly Reason[] = [
  {
    what: "no link",
    change: (state) => ({ ...state, link: null, device: null }),
    why: /^There is no link clusternet$/m,
  },
  {
    what: "another MTU",
    change: (state) => ({
      ...state,
      link: state.link && { ...state.link, mtu: 1300 },
    }),
    why: /^The link has an MTU of 1300 bytes, and should have \d+: /m,
  },
  {
    what: "another key",
    change: (state) => ({
      ...state,
      device: state.device && { ...state.device, publicKey: keyOf(99) },
    }),
    why: /^The link has another private key: its public one is \S{44}$/m,
  },
  {
    what: "a route gone",
    change: (state) => ({
      ...state,
      routes: state.routes?.filter(({ type }) => type !== "unicast"),
    }),
    why: /^There is no route to 10\.0\.0\.0\/16 into the tunnel$/m,
  },
  {
    what: "a route changed",
    change: (state) => ({
      ...state,
      routes: state.routes?.map((route) => ({ ...route, source: undefined })),
    }),
    why:
      /^The route to 10\.0\.0\.0\/16 is another one: 10\.0\.0\.0\/16 dev clusternet proto 78$/m,
  },
  {
    what: "no table",
    change: (state) => ({ ...state, table: null }),
    why: /^There is no such table: /m,
  },
  {
    what: "a table without its chains",
    change: (state) => ({
      ...state,
      table: state.table && { ...state.table, chains: [] },
    }),
    why: /^The table lacks chains: somebody removed them$/m,
  },
  {
    what: "no forwarding",
    change: (state) => ({
      ...state,
      sysctls: new Map([["net/ipv4/ip_forward", "0"]]),
    }),
    why: /^It is 0: what pods send would not be forwarded$/m,
  },
  {
    what: "peers that nobody has, lack and changed",
    change: (state) => {
      const [first, ...others] = [...state.peers?.values() ?? []];
      assert.ok(first !== undefined);
      assert.equal(others.length, 1);
      const moved = { ...first, endpoint: "192.0.2.9:1", presharedKey: true };
      const alien = { ...first, publicKey: keyOf(77), allowedIps: [] };
      return {
        ...state,
        peers: new Map([moved, alien].map((one) => [one.publicKey, one])),
      };
    },
    why:
      /^No Node has this key\nNode n2 has the endpoint 192\.168\.0\.2:7838, the peer 192\.0\.2\.9:1, has no preshared key, and its peer has one\nNode n3 is no peer yet$/m,
  },
];

for (const { what, change, why } of REASONS) {
  Deno.test(`dryRun() says why: ${what}`, async () => {
    const snapshot = await lookAt(await settledBench());
    const { steps } = dryRun({
      ...snapshot,
      observed: change(snapshot.observed),
    });
    assert.match(steps.map((step) => step.why).join("\n"), why);
  });
}

Deno.test("dryRun() has no CNI configuration for pods while something is missing, and says what", async () => {
  const bench = await settledBench();
  bench.conflist.files.clear();
  const whole = await lookAt(bench);
  assert.deepEqual(dryRun(whole).steps.map(({ kind }) => kind), [
    "write-conflist",
  ]);
  const unlisted = dryRun({ ...whole, listed: false });
  assert.deepEqual(unlisted.steps, []);
  assert.match(unlisted.problems.join("\n"), /first complete list/);
});

Deno.test("dryRun() does nothing where the agent would refuse to start", async () => {
  const bench = await settledBench();
  const { config, nodes, ...rest } = await lookAt(bench);
  const [self, ...others] = nodes;
  assert.ok(self !== undefined);
  const inside = { ...self, internalIps: ["10.0.7.7"] };
  const cut = dryRun({ ...rest, config, nodes: [inside, ...others] });
  assert.deepEqual(cut.steps, []);
  assert.match(
    cut.problems.join("\n"),
    /^Cannot use cluster CIDR .*10\.0\.7\.7/,
  );
  const link = { kind: "wireguard", alias: "office", mtu: 1420, up: true };
  const foreign = {
    ...rest,
    config,
    nodes,
    observed: { ...rest.observed, link },
  };
  const refused = dryRun(foreign);
  assert.deepEqual(refused.steps, []);
  assert.match(
    refused.problems.join("\n"),
    /^Link clusternet is somebody else's/,
  );
});

Deno.test("dryRun() makes the key first where there is none, and prints none", async () => {
  const bench = await makeBench();
  listed(bench, 2);
  const { steps } = dryRun(await lookAt(bench, { publicKey: null }));
  assert.deepEqual(steps[0], {
    kind: "make-key",
    command: "write /var/lib/clusternet/private.key (a new private key)",
    why: "This node has no private key yet",
    shell: [
      "(umask 077; mkdir -p /var/lib/clusternet && wg genkey > /var/lib/clusternet/private.key)",
    ],
  });
  assert.ok(steps.some(({ kind }) => kind === "set-private-key"));
});

Deno.test("planText() keeps what others wrote out of the commands", async () => {
  const bench = await settledBench();
  const whole = await lookAt(bench);
  const [self, ...others] = whole.nodes;
  assert.ok(self !== undefined);
  const evil = { ...self, podCidrs: ["10.0.1.0/24", "x\nreboot\u2028reboot"] };
  const text = planText(dryRun({
    ...whole,
    nodes: [evil, ...others],
    observed: {
      ...whole.observed,
      routes: [{
        destination: parsePrefix("10.9.0.0/16"),
        type: "unicast",
        device: "a;reboot",
        source: undefined,
        metric: 0,
        protocol: 78,
      }],
    },
  }));
  assert.match(text, /reboot/);
  assert.doesNotMatch(text, /^reboot|[^']a;reboot/m);
  assert.match(text, /^ip route del 10\.9\.0\.0\/16 dev 'a;reboot' proto 78$/m);
});

Deno.test("planText() says in one line that nothing is to be done", async () => {
  const text = planText(dryRun(await lookAt(await settledBench())));
  assert.equal(
    text,
    "# Node n1 at 2026-01-02T00:00:00.000Z\nNothing to do: all stands as it should (2 peers)\n",
  );
});
