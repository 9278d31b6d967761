/**
 * Socket addresses: struct sockaddr_in and sockaddr_in6.
 *
 *      0       2       4               8                               24      28
 *     ┌───────┬───────┬───────────────┬───────────────────────────────┬───────┐
 *     │ family│ port  │ IPv4 address  │ zero, 8 bytes                  16
 *     │ family│ port  │ flow          │ IPv6 address                  │ scope │
 *     └───────┴───────┴───────────────┴───────────────────────────────┴───────┘
 *
 * Family in host order, port and address in network order.
 *
 * @module
 */

import {
  addressBytes,
  addressFromBytes,
  endpointText,
  familyOf,
  parseAddress,
} from "../core/address.ts";
import { AF_INET, AF_INET6 } from "./family.ts";
import { need, viewOf } from "./netlink.ts";

const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;

const ENDPOINT = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/;

/**
 * @param endpoint as `endpointText()` spells it
 * @throws {SyntaxError} when it is spelt otherwise
 */
export function encodeSockaddr(endpoint: string): Uint8Array<ArrayBuffer> {
  const [, v6, v4, portText] = ENDPOINT.exec(endpoint) ?? [];
  const port = Number(portText);
  if (!(port <= 0xffff)) {
    throw new SyntaxError(`Cannot encode endpoint "${endpoint}"`);
  }
  const address = parseAddress(v6 ?? v4 ?? "");
  const four = familyOf(address) === 4;
  const bytes = new Uint8Array(four ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES);
  const view = viewOf(bytes);
  view.setUint16(0, four ? AF_INET : AF_INET6, true);
  view.setUint16(2, port, false);
  bytes.set(addressBytes(address), four ? 4 : 8);
  return bytes;
}

/**
 * @returns as `endpointText()` spells it; `undefined` for other families
 * @throws {SyntaxError} when it is cut short
 */
export function decodeSockaddr(bytes: Uint8Array): string | undefined {
  need(bytes, 4, "socket address");
  const view = viewOf(bytes);
  const port = view.getUint16(2, false);
  switch (view.getUint16(0, true)) {
    case AF_INET:
      need(bytes, SOCKADDR_IN_BYTES, "socket address");
      return endpointText(addressFromBytes(bytes.subarray(4, 8)), port);
    case AF_INET6:
      need(bytes, SOCKADDR_IN6_BYTES, "socket address");
      return endpointText(addressFromBytes(bytes.subarray(8, 24)), port);
  }
  return undefined;
}
