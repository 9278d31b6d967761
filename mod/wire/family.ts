/**
 * Address families by the kernel's numbers.
 *
 * @module
 */

import type { Family } from "../core/address.ts";

/** include/linux/socket.h */
export const AF_INET = 2;
export const AF_INET6 = 10;

export function encodeFamily(family: Family): number {
  return family === 4 ? AF_INET : AF_INET6;
}

/** `undefined`: neither IPv4 nor IPv6. */
export function decodeFamily(value: number): Family | undefined {
  if (value === AF_INET) return 4;
  return value === AF_INET6 ? 6 : undefined;
}
