import assert from "node:assert/strict";
import { InOrder } from "../../mod/core/in_order.ts";
import { Random } from "../support/random.ts";

Deno.test("InOrder gives what came in any order in that of the places, each once", () => {
  const random = new Random(20261130);
  for (let round = 0; round < 200; round++) {
    const left = Array.from({ length: random.below(20) }, (_, at) => at);
    const order = new InOrder(Infinity);
    const given: string[] = [];
    while (left.length > 0) {
      const [place = 0] = left.splice(random.below(left.length), 1);
      given.push(...order.put(place, String(place)));
    }
    const want = given.map((_, at) => String(at));
    assert.deepEqual(given, want, `seed ${random.seed}`);
    assert.deepEqual(order.rest(), []);
  }
});

Deno.test("InOrder gives what waits out of turn where that would be too much, and goes on", () => {
  const order = new InOrder(2);
  assert.deepEqual(order.put(2, "c"), []);
  assert.deepEqual(order.put(3, "d"), []);
  assert.deepEqual(order.put(1, "b"), ["b", "c", "d"]);
  assert.deepEqual(order.put(5, "f"), []);
  assert.deepEqual(order.put(0, "a"), ["a"], "1 to 3 are not given again");
  assert.deepEqual(order.put(4, "e"), ["e", "f"]);
});

Deno.test("InOrder.rest() gives what waits for places that never came", () => {
  const order = new InOrder(10);
  order.put(4, "e");
  order.put(2, "c");
  assert.deepEqual(order.rest(), ["c", "e"]);
});
