/**
 * Nodes for tests: good ones by number, and hostile ones at random.
 *
 * @module
 */

import type { Prefix } from "../../mod/core/address.ts";
import { type PublicKey, publicKeyFromBytes } from "../../mod/core/key.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import type { Random } from "./random.ts";

/** Key number `n`: the same for the same number, different for others. */
export function testKey(n: number): PublicKey {
  const bytes = new Uint8Array(32).fill(0x42);
  new DataView(bytes.buffer).setUint32(0, n);
  return publicKeyFromBytes(bytes);
}

/** Node number `n` (0 to 65,535): node-n, 192.0.2.n and beyond, 10.x.y.0/24 in 10.0.0.0/8. */
export function testNode(
  n: number,
  changes: Partial<NodeRecord> = {},
): NodeRecord {
  return {
    name: `node-${n}`,
    uid: `uid-${String(n).padStart(5, "0")}`,
    created: `2026-01-01T00:00:${String(n % 60).padStart(2, "0")}Z`,
    publicKey: testKey(n),
    internalIps: [`172.${16 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`],
    podCidrs: [`10.${n >> 8}.${n & 255}.0/24` as Prefix],
    ...changes,
  };
}

/** A Node out of a small world, so that Nodes collide: keys, prefixes of several lengths, ages, nonsense. */
export function hostileNode(random: Random, names: number): NodeRecord {
  const n = random.below(names);
  const cidr = (): string => {
    const bits = random.pick([8, 15, 16, 17, 20, 23, 24, 24, 24, 25, 26, 32]);
    const odd = random.chance(0.2) ? random.below(256) : 0;
    return random.pick([
      `10.0.${random.below(12)}.${odd}/${bits}`,
      `10.0.${random.below(12)}.0/24`,
      `10.1.0.0/${bits}`,
      `fd00::${random.below(4)}:0:0:0/${random.pick([47, 48, 64, 80])}`,
      random.pick([
        "0.0.0.0/0",
        "::/0",
        "nonsense",
        "10.0.0.0/16",
        "::ffff:10.0.0.0/120",
      ]),
    ]);
  };
  return testNode(n, {
    uid: `uid-${random.below(6)}`,
    created: `2026-01-01T00:00:0${random.below(4)}Z`,
    publicKey: random.chance(0.1)
      ? [undefined, "", "short", testKey(9999)][random.below(4)]
      : testKey(random.below(names)),
    internalIps: Array.from(
      { length: random.below(3) },
      () =>
        random.pick([
          `192.0.2.${n + 1}`,
          `2001:db8::${n + 1}`,
          "127.0.0.1",
          "10.0.0.7",
          "nonsense",
        ]),
    ),
    podCidrs: Array.from({ length: random.below(4) }, cidr),
  });
}
