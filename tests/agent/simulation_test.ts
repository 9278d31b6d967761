/**
 * The loop's inner part against everything at once: hostile Nodes that come and
 * go, a kernel that refuses, dumps that are interrupted, hands that meddle, and
 * processes that die between any two operations. One seed is one run.
 *
 * Watched after every single operation, while nobody meddles: AllowedIPs are
 * canonical, inside the cluster CIDR and narrower than it (I16), those of
 * different peers disjoint (I18), and once it is there the unreachable route
 * stays (I23). An interrupted dump may hide a peer, and with it what overlaps: then
 * I18 waits for the next whole one. Our table, too, stays once it is there. At the end of each run, all faults gone: the kernel is what a
 * fresh look at the Nodes says (I7, I30), and rests (I13).
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  contains,
  overlaps,
  parsePrefix,
  prefixBits,
} from "../../mod/core/address.ts";
import { ERRNO } from "../../mod/core/errors.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import { PeerIndex } from "../../mod/core/peer_index.ts";
import { hostileNode, testKey } from "../support/nodes.ts";
import { Random } from "../support/random.ts";
import { testTable } from "../support/tables.ts";
import { type Bench, CONFIG, makeBench, node } from "./bench.ts";

const LINK = CONFIG.interface;
const CONFIGURATION = {
  nodeName: "n1",
  clusterCidrs: [parsePrefix("10.0.0.0/16"), parsePrefix("fd00::/32")],
};
const NAMES = 14;
const EVENTS = 60;

class World {
  readonly random: Random;
  readonly meddled: boolean;
  bench: Bench;
  /** What the API server has; the watch may lag behind. */
  readonly truth = new Map<string, NodeRecord>();
  #sealed = false;
  #guarded = false;
  #blind = false;

  constructor(bench: Bench, random: Random, meddled: boolean) {
    this.bench = bench;
    this.random = random;
    this.meddled = meddled;
    this.#put(this.#own("10.0.200.0/24"));
  }

  /** Looks before each operation, so after each that came before it. */
  watch(): void {
    this.bench.kernel.inject({
      errno: ERRNO.EIO,
      times: Infinity,
      on: () => {
        if (!this.meddled) this.#check();
        return false;
      },
    });
  }

  async step(): Promise<void> {
    const { random } = this;
    const act = random.pick<() => void | Promise<void>>([
      () => this.#nodeEvent(),
      () => this.#nodeEvent(),
      () => this.#nodeEvent(),
      () => this.#fault(),
      () => this.#interrupt(),
      () => this.#restart(),
      () => this.#relist(),
      () => this.meddled ? this.#meddle() : this.#nodeEvent(),
    ]);
    await act();
    if (random.chance(0.7)) await this.#turn();
  }

  /** All faults gone, the watch has caught up: it must come to rest where it should. */
  async rest(): Promise<void> {
    this.#heal();
    this.#relist();
    for (let turn = 0; turn < 4; turn++) {
      const { clean } = await this.bench.reconciler.turn("full");
      if (clean) break;
    }
    const { kernel, publicKey } = this.bench;
    const fresh = new PeerIndex({ ...CONFIG, ...CONFIGURATION }, publicKey);
    fresh.replace([...this.truth.values()]);
    const { peers } = await kernel.wireguard.read(LINK);
    const sorted = (all: typeof peers): unknown[] =>
      [...all.values()].map(({ publicKey, endpoint, allowedIps }) => [
        publicKey,
        endpoint,
        allowedIps.toSorted(),
      ]).sort();
    assert.deepEqual(sorted(peers), sorted(fresh.peers() ?? new Map()));
    assert.deepEqual(
      await kernel.tables.read(LINK),
      testTable(
        CONFIGURATION.clusterCidrs.join(),
        "10.0.200.0/24,fd00:0:99::/64",
      ),
    );
    kernel.forgetWrites();
    assert.equal((await this.bench.reconciler.turn("full")).applied, 0);
    assert.deepEqual(kernel.writes, []);
  }

  #own(podCidr: string): NodeRecord {
    return node(1, {
      created: "2025-01-01T00:00:00Z",
      publicKey: this.bench.publicKey,
      podCidrs: [podCidr, "fd00:0:99::/64"],
    });
  }

  #put(record: NodeRecord): void {
    this.truth.set(record.name, record);
  }

  #nodeEvent(): void {
    const record = hostileNode(this.random, NAMES);
    if (this.random.chance(0.25)) {
      this.truth.delete(record.name);
      this.bench.nodes.remove(record.name);
      return;
    }
    this.#put(record);
    // Some events are lost with the connection; the next list has them.
    if (this.random.chance(0.9)) this.bench.nodes.upsert(record);
  }

  #relist(): void {
    this.bench.nodes.replace(this.random.shuffle([...this.truth.values()]));
  }

  #fault(): void {
    const { random } = this;
    this.bench.kernel.inject({
      errno: random.pick([
        ERRNO.ENOMEM,
        ERRNO.EBUSY,
        ERRNO.EPERM,
        ERRNO.EINVAL,
      ]),
      skip: random.below(6),
      times: 1 + random.below(3),
      on: ({ kind }) => kind === "write" || random.chance(0.1),
    });
  }

  #interrupt(): void {
    this.#blind = true;
    this.bench.kernel.wireguard.interruptReads(this.random.below(3));
  }

  /** The process dies after some operations of a turn; another begins. */
  async #restart(): Promise<void> {
    const { random } = this;
    this.bench.kernel.inject({
      errno: ERRNO.EIO,
      skip: random.below(12),
      times: Infinity,
      on: () => true,
    });
    await this.#turn();
    this.#heal();
    this.bench = await this.bench.restart();
    if (random.chance(0.5)) await this.#turn(); // before its first list
    if (random.chance(0.8)) this.#relist();
  }

  #heal(): void {
    this.bench.kernel.heal();
    this.watch();
  }

  async #turn(): Promise<void> {
    const scope = this.random.pick(["full", "network", "peers"] as const);
    try {
      const { nodes, reconciler } = this.bench;
      const report = await reconciler.turn(scope);
      if (!report.clean) return;
      if (report.scope === "full" && nodes.listed) this.#blind = false;
      if (report.scope !== "full" && !this.meddled) await this.#lookAgain();
    } catch (error) {
      assert(
        error instanceof Error && /injected/.test(error.message),
        `${error}`,
      );
    }
  }

  /** A turn that has read little must have known the rest. */
  async #lookAgain(): Promise<void> {
    if (this.random.chance(0.5)) return;
    this.#heal();
    const { applied } = await this.bench.reconciler.turn("full");
    assert.equal(applied, 0, "a full turn finds more to do than a partial one");
  }

  #meddle(): void {
    const { random } = this;
    const { hand, machine } = this.bench.kernel;
    if (!machine.links.has(LINK)) return;
    const act = random.pick([
      () => hand.deleteLink(LINK),
      () => hand.setLinkDown(LINK),
      () => hand.editLink(LINK, { mtu: 1300 }),
      () => hand.removeRoutes(() => random.chance(0.5)),
      () => hand.setSysctl("net/ipv4/ip_forward", "0"),
      () => hand.setDevicePort(LINK, 1234),
      () => hand.removePeer(LINK, testKey(random.below(NAMES))),
      () =>
        hand.setPeer(LINK, {
          publicKey: testKey(random.below(2 * NAMES)),
          allowedIps: [parsePrefix(`10.0.${random.below(12)}.0/24`)],
          presharedKey: random.chance(0.5),
          keepaliveSeconds: random.below(2) * 25,
        }),
      () => this.bench.conflist.files.clear(),
      () => hand.flushRuleset(),
      () => hand.setTable({ name: LINK, dormant: false, chains: [] }),
    ]);
    act();
  }

  #check(): void {
    const { machine } = this.bench.kernel;
    const device = machine.links.get(LINK)?.device;
    const held = [...device?.peers.values() ?? []].flatMap((peer) =>
      peer.allowedIps.map((prefix) => ({ peer: peer.publicKey, prefix }))
    );
    for (const { peer, prefix } of held) {
      assert.equal(parsePrefix(prefix), prefix, "canonical");
      assert(
        CONFIGURATION.clusterCidrs.some((cidr) =>
          contains(cidr, prefix) && prefixBits(cidr) < prefixBits(prefix)
        ),
        `${prefix} is not a part of a cluster CIDR`,
      );
      const other = held.find((one) =>
        !this.#blind && one.peer !== peer && overlaps(one.prefix, prefix)
      );
      assert.equal(other, undefined, `${prefix} overlaps ${other?.prefix}`);
    }
    const closed =
      machine.routes.filter((route) => route.type === "unreachable").length ===
        CONFIGURATION.clusterCidrs.length;
    assert(closed || !this.#sealed, "an unreachable route is gone");
    this.#sealed ||= closed;
    const guarded = machine.tables.has(LINK);
    assert(guarded || !this.#guarded, "the table is gone");
    this.#guarded ||= guarded;
  }
}

async function simulate(seed: number, meddled: boolean): Promise<void> {
  const bench = await makeBench({ config: CONFIGURATION });
  const world = new World(bench, new Random(seed), meddled);
  world.watch();
  try {
    for (let event = 0; event < EVENTS; event++) await world.step();
    await world.rest();
  } catch (cause) {
    throw new Error(
      `seed ${seed}${meddled ? ", meddled" : ""}: ${
        cause instanceof Error ? cause.message : cause
      }`,
      { cause },
    );
  }
}

const RUNS = Number(Deno.env.get("SIMULATION_RUNS") ?? 60);

Deno.test("whatever happens: every operation is safe, and the end is as if it had not", async () => {
  for (let seed = 1; seed <= RUNS; seed++) await simulate(seed, false);
});

Deno.test("whatever is meddled with, too: the end is as if it had not", async () => {
  for (let seed = 1; seed <= RUNS; seed++) await simulate(seed, true);
});
