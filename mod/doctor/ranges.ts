/**
 * Addresses and ranges that somebody else has written: what cannot be read is
 * none, and for another check to tell.
 *
 * @module
 */

import {
  type Address,
  contains,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../core/address.ts";

export function sameSet(a: string, b: string): boolean {
  return canonicalSet(a) === canonicalSet(b);
}

/** In one order and writing, whatever those that were given. */
export function canonicalSet(text: string): string {
  return text.split(",").map((one) => String(prefixOf(one.trim()) ?? one))
    .sort().join();
}

export function within(text: string, cidr: Prefix): boolean {
  const inner = prefixOf(text) ?? addressOf(text)[0];
  return inner !== undefined && contains(cidr, inner);
}

export function prefixOf(text: string): Prefix | undefined {
  try {
    return parsePrefix(text);
  } catch {
    return undefined;
  }
}

export function addressOf(text: string): readonly Address[] {
  try {
    return [parseAddress(text)];
  } catch {
    return [];
  }
}

export function canonical(text: string): string {
  return addressOf(text)[0] ?? text;
}
