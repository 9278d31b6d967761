import assert from "node:assert/strict";
import { contains, parsePrefix, type Prefix } from "../../mod/core/address.ts";
import { PrefixIndex } from "../../mod/core/prefix_index.ts";
import { Random } from "../support/random.ts";

function indexOf(...texts: readonly string[]): PrefixIndex<string> {
  const index = new PrefixIndex<string>();
  for (const text of texts) index.set(parsePrefix(text), text);
  return index;
}

Deno.test("PrefixIndex tells the same, the wider and the narrower apart", () => {
  const index = indexOf(
    "10.0.0.0/8",
    "10.0.0.0/16",
    "10.0.0.0/24",
    "10.0.255.255/32",
    "10.1.0.0/16",
    "::/0",
    "a00::/16",
  );
  const prefix = parsePrefix("10.0.0.0/16");
  assert.equal(index.get(prefix), "10.0.0.0/16");
  assert.deepEqual([...index.wider(prefix)], ["10.0.0.0/8"]);
  assert.deepEqual([...index.narrower(prefix)], [
    "10.0.0.0/24",
    "10.0.255.255/32",
  ]);
  assert.deepEqual([...index.narrower(parsePrefix("0.0.0.0/0"))].length, 5);
  assert.deepEqual([...index.wider(parsePrefix("a00::1/128"))].sort(), [
    "::/0",
    "a00::/16",
  ]);
});

Deno.test("PrefixIndex forgets what was deleted, its length too", () => {
  const index = indexOf("10.0.0.0/8", "10.0.0.0/16");
  index.delete(parsePrefix("10.0.0.0/8"));
  index.delete(parsePrefix("10.9.0.0/16"));
  assert.equal(index.size, 1);
  const inside = parsePrefix("10.0.1.0/24");
  assert.deepEqual([...index.overlapping(inside)], ["10.0.0.0/16"]);
  index.set(parsePrefix("10.0.0.0/16"), "new");
  assert.deepEqual([...index.overlapping(inside)], ["new"]);
});

Deno.test("PrefixIndex finds what looking at every prefix finds", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new Random(seed);
    const index = new PrefixIndex<Prefix>();
    const all = new Set<Prefix>();
    const some = (): Prefix =>
      parsePrefix(
        random.chance(0.5)
          ? `10.${random.below(3)}.${random.below(256)}.${random.below(256)}/${
            random.below(33)
          }`
          : `fd00:${random.below(3)}::${random.below(9)}/${random.below(129)}`,
      );
    for (let step = 0; step < 120; step++) {
      const prefix = random.chance(0.3)
        ? random.pick([...all, some()])
        : some();
      if (random.chance(0.7)) {
        all.add(prefix);
        index.set(prefix, prefix);
      } else {
        all.delete(prefix);
        index.delete(prefix);
      }
      const asked = some();
      const others = [...all].filter((one) => one !== asked);
      const label = `seed ${seed}, step ${step}, ${asked}`;
      const wider = others.filter((one) => contains(one, asked));
      const narrower = others.filter((one) => contains(asked, one));
      assert.deepEqual([...index.wider(asked)].sort(), wider.sort(), label);
      assert.deepEqual(
        [...index.narrower(asked)].sort(),
        narrower.sort(),
        label,
      );
      assert.equal(index.size, all.size);
    }
  }
});
