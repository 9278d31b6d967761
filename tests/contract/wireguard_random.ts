/**
 * The same random changes to a port and to the fake, compared after each batch:
 * it keeps the port right in corners that nobody thought of, and the fake, which
 * is the oracle of the planner's tests, honest.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { WireGuardPort, WireGuardState } from "../../mod/agent/ports.ts";
import { parsePrefix, type Prefix } from "../../mod/core/address.ts";
import { PrivateKey } from "../../mod/core/key.ts";
import type { PeerChange } from "../../mod/core/state.ts";
import { FakeKernel } from "../fakes/kernel.ts";
import { Random } from "../support/random.ts";
import {
  endpoint,
  peerKey,
  setPeer,
  type WireGuardLab,
} from "./wireguard_support.ts";

const SEED = 20_261;
const BATCHES = 150;

/** Few of each, so that they meet. */
const KEYS = 6;
const PREFIXES: readonly Prefix[] = [
  "10.0.0.0/16",
  "10.0.1.0/24",
  "10.0.1.0/25",
  "10.0.2.0/24",
  "10.0.3.7/32",
  "fd00::/48",
  "fd00:0:0:1::/64",
  "fd00:0:0:1::5/128",
].map(parsePrefix);
const ENDPOINTS = ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map(endpoint);

/** @throws {AssertionError} that names the seed and the batch */
export async function likeTheFake(
  { port, link }: WireGuardLab,
): Promise<void> {
  const random = new Random(SEED);
  const fake = new FakeKernel();
  await fake.routes.createLink(link);
  const key = PrivateKey.fromBytes(random.bytes(32));
  for (const each of [port, fake.wireguard]) {
    await each.setPrivateKey(link, key);
  }
  for (let batch = 0; batch < BATCHES; batch++) {
    const changes = randomBatch(random);
    await port.changePeers(link, changes);
    await fake.wireguard.changePeers(link, changes);
    assert.deepEqual(
      await peersOf(port, link),
      await peersOf(fake.wireguard, link),
      `seed ${SEED}, batch ${batch}: ${JSON.stringify(changes)}`,
    );
  }
}

async function peersOf(
  port: WireGuardPort,
  link: string,
): Promise<WireGuardState["peers"]> {
  return (await port.read(link)).peers;
}

/** A prefix is given or removed by a batch, not both: the port's contract. */
function randomBatch(random: Random): readonly PeerChange[] {
  const shuffled = random.shuffle(PREFIXES);
  const removed = shuffled.slice(0, random.below(3));
  const given = shuffled.slice(removed.length);
  return Array.from({ length: 1 + random.below(4) }, () => {
    const n = random.below(KEYS);
    if (random.chance(0.15)) {
      return { kind: "remove-peer", publicKey: peerKey(n), reason: "test" };
    }
    return setPeer(peerKey(n), {
      create: random.chance(0.6),
      endpoint: random.chance(0.5) ? random.pick(ENDPOINTS) : undefined,
      addAllowedIps: some(random, given),
      removeAllowedIps: some(random, removed),
      keepaliveSeconds: random.chance(0.3) ? random.below(4) * 25 : undefined,
      clearPresharedKey: random.chance(0.1),
      replaces: random.chance(0.15) ? peerKey((n + 1) % KEYS) : undefined,
    });
  });
}

function some<T>(random: Random, items: readonly T[]): readonly T[] {
  return items.filter(() => random.chance(0.3));
}
