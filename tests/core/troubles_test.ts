import assert from "node:assert/strict";
import {
  AGAIN_MS,
  BURST,
  LASTS_MS,
  TOKEN_MS,
  type Trouble,
  Troubles,
} from "../../mod/core/troubles.ts";
import { Random } from "../support/random.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const HOUR_MS = 3_600_000;
const PORT: Trouble = { reason: "ListenPortInUse", note: "The port is taken" };
const BARE: Trouble = { reason: "NoPodCIDRs", note: "There are none" };

/** Tells all that is due. @returns how many that were */
function tellAll(troubles: Troubles): readonly string[] {
  const all: string[] = [];
  for (let told = troubles.next(); told; told = troubles.next()) {
    troubles.spend();
    troubles.told(told);
    all.push(`${told.type} ${told.reason}: ${told.note}`);
  }
  return all;
}

Deno.test("a trouble is told when it has lasted, again as long as it does, and called off once", async () => {
  const clock = new VirtualClock();
  const troubles = new Troubles(clock);
  troubles.look([PORT]);
  assert.deepEqual(tellAll(troubles), []);
  await clock.advance(2 * LASTS_MS);
  troubles.look([PORT]);
  const warning = `Warning ${PORT.reason}: ${PORT.note}`;
  assert.deepEqual(tellAll(troubles), [warning]);
  assert.deepEqual(tellAll(troubles), []);
  await clock.advance(AGAIN_MS);
  troubles.look([PORT]);
  assert.deepEqual(tellAll(troubles), [warning]);
  troubles.look([]);
  assert.deepEqual(tellAll(troubles), [], "not for a moment");
  await clock.advance(LASTS_MS);
  troubles.look([]);
  assert.deepEqual(tellAll(troubles), [
    "Normal ClusternetIsUp: All is well again: no more ListenPortInUse",
  ]);
  await clock.advance(HOUR_MS);
  troubles.look([]);
  assert.deepEqual(tellAll(troubles), []);
});

Deno.test("what passes in a moment is not told, nor that it is over", async () => {
  const clock = new VirtualClock();
  const troubles = new Troubles(clock);
  for (let round = 0; round < 1_000; round++) {
    troubles.look(round % 2 === 0 ? [PORT, BARE] : []);
    assert.deepEqual(tellAll(troubles), []);
    await clock.advance(LASTS_MS - 1);
  }
});

Deno.test("all is well only when nothing is wrong any more, and says what was", async () => {
  const clock = new VirtualClock();
  const troubles = new Troubles(clock);
  troubles.look([PORT, BARE]);
  await clock.advance(2 * LASTS_MS);
  assert.equal(tellAll(troubles).length, 2);
  troubles.look([PORT]);
  await clock.advance(2 * LASTS_MS);
  troubles.look([PORT]);
  assert.deepEqual(tellAll(troubles), []);
  troubles.look([]);
  await clock.advance(2 * LASTS_MS);
  assert.deepEqual(tellAll(troubles), [
    "Normal ClusternetIsUp: All is well again: no more ListenPortInUse, NoPodCIDRs",
  ]);
});

Deno.test("whatever comes and goes, an hour has no more Events than the bucket allows, and what is held is bounded", async () => {
  const seed = Date.now();
  const random = new Random(seed);
  const clock = new VirtualClock();
  const troubles = new Troubles(clock);
  let told: number[] = [];
  let most = 0;
  for (let step = 0; step < 20_000; step++) {
    const all = Array.from({ length: random.below(6) }, () => ({
      reason: `Reason${random.below(12)}`,
      note: `note ${random.below(1_000)}`,
    }));
    troubles.look(all);
    for (const _ of tellAll(troubles)) told.push(clock.now());
    told = told.filter((at) => at > clock.now() - HOUR_MS);
    most = Math.max(most, told.length);
    await clock.advance(random.below(30_000));
  }
  assert(most <= BURST + HOUR_MS / TOKEN_MS, `${most}, seed ${seed}`);
  assert(most > BURST, `it was tried: ${most}, seed ${seed}`);
});

Deno.test("wait() is over when there is something to tell, and not before", async () => {
  const seed = Date.now();
  const random = new Random(seed);
  const clock = new VirtualClock();
  const troubles = new Troubles(clock);
  for (let step = 0; step < 2_000; step++) {
    if (random.chance(0.3)) troubles.look(random.chance(0.5) ? [PORT] : []);
    const wait = troubles.wait();
    if (wait === Infinity) assert.equal(troubles.next(), undefined);
    else if (wait > 0) {
      assert.equal(troubles.next(), undefined, `seed ${seed}`);
      await clock.advance(wait);
      assert.notEqual(troubles.next(), undefined, `seed ${seed}`);
    }
    tellAll(troubles);
  }
});
