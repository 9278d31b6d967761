/**
 * Bytes as a bad wire, or a bad hand, leaves them.
 *
 * @module
 */

import type { Random } from "./random.ts";

/** Some bytes changed, taken away, put in or doubled. */
export function damaged(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = [...bytes];
  const at = random.below(copy.length + 1);
  const count = random.pick([1, 1, 2, 8, 100]);
  switch (random.below(5)) {
    case 0:
      return Uint8Array.from(copy.slice(0, at));
    case 1:
      copy.splice(at, count);
      break;
    case 2:
      copy.splice(at, 0, ...random.bytes(count));
      break;
    case 3:
      copy.splice(at, 0, ...copy.slice(at, at + count));
      break;
    default:
      for (let times = 0; times < count; times++) {
        copy[random.below(copy.length)] = random.below(256);
      }
  }
  return Uint8Array.from(copy);
}
