/**
 * Addresses that mean something of their own, and so can be neither a peer's
 * endpoint nor part of a pod network (IANA special-purpose address registries).
 *
 * @module
 */

import {
  type Address,
  contains,
  overlaps,
  parsePrefix,
  type Prefix,
} from "./address.ts";

interface SpecialRange {
  readonly prefix: Prefix;
  readonly what: string;
}

/** What no other machine answers to, or what cannot be reached without naming a link. */
const SPECIAL: readonly SpecialRange[] = [
  ["0.0.0.0/8", "this network (RFC 791)"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link-local"],
  ["224.0.0.0/4", "multicast"],
  ["240.0.0.0/4", "reserved or broadcast"],
  ["::/96", "loopback or unspecified"],
  ["::ffff:0:0/96", "IPv4-mapped"],
  ["fe80::/10", "link-local"],
  ["ff00::/8", "multicast"],
].map(([text = "", what = ""]) => ({ prefix: special(text), what }));

/** What makes this address or prefix unfit ("multicast"); `undefined`: nothing does. */
export function specialUse(value: Address | Prefix): string | undefined {
  const found = SPECIAL.find(({ prefix }) =>
    value.includes("/")
      ? overlaps(prefix, value as Prefix)
      : contains(prefix, value)
  );
  return found?.what;
}

/** `parsePrefix()` refuses the IPv4-mapped range, which is just what is meant here. */
function special(text: string): Prefix {
  return text === "::ffff:0:0/96" ? text as Prefix : parsePrefix(text);
}
