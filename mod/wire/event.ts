/**
 * What the kernel announces of its own accord, told apart.
 *
 * @module
 */

import type { Prefix } from "../core/address.ts";
import { decodeAddress, RTM_DELADDR, RTM_NEWADDR } from "./ifaddr.ts";
import { decodeLink, RTM_DELLINK, RTM_NEWLINK } from "./link.ts";
import { decodeNetconf, RTM_DELNETCONF, RTM_NEWNETCONF } from "./netconf.ts";
import type { Message } from "./netlink.ts";
import { NFPROTO_INET } from "./nfnetlink.ts";
import { decodeTableEvent } from "./nftables.ts";
import {
  decodeRoute,
  RT_TABLE_MAIN,
  RTM_DELROUTE,
  RTM_NEWROUTE,
} from "./route.ts";

export type KernelEvent =
  | {
    readonly kind: "link";
    readonly name: string;
    readonly index: number;
    readonly removed: boolean;
  }
  | {
    readonly kind: "address";
    /** Of the link. */
    readonly index: number;
    readonly address: string;
    readonly removed: boolean;
  }
  | {
    readonly kind: "route";
    readonly destination: Prefix;
    readonly protocol: number;
    readonly removed: boolean;
  }
  | { readonly kind: "forwarding"; readonly family: 4 | 6 }
  /** Of family inet: it, or anything in it. */
  | { readonly kind: "table"; readonly name: string }
  /** More happened than there was room for (ENOBUFS). */
  | { readonly kind: "lost" };

/**
 * @returns `undefined` for what is nobody's business: other tables, other
 * settings than forwarding, other families
 * @throws {SyntaxError} when the message is cut short
 */
export function decodeEvent(message: Message): KernelEvent | undefined {
  const { type, payload } = message;
  if (type === RTM_NEWLINK || type === RTM_DELLINK) {
    const { name, index } = decodeLink(payload);
    return { kind: "link", name, index, removed: type === RTM_DELLINK };
  }
  if (type === RTM_NEWADDR || type === RTM_DELADDR) {
    const record = decodeAddress(payload);
    if (record === undefined) return undefined;
    const { index, address } = record;
    return { kind: "address", index, address, removed: type === RTM_DELADDR };
  }
  if (type === RTM_NEWROUTE || type === RTM_DELROUTE) {
    const record = decodeRoute(payload);
    if (record === undefined || record.table !== RT_TABLE_MAIN) {
      return undefined;
    }
    const { destination, protocol } = record;
    const removed = type === RTM_DELROUTE;
    return { kind: "route", destination, protocol, removed };
  }
  if (type === RTM_NEWNETCONF || type === RTM_DELNETCONF) {
    const record = decodeNetconf(payload);
    if (record?.forwarding === undefined) return undefined;
    return { kind: "forwarding", family: record.family };
  }
  const table = decodeTableEvent(message);
  if (table?.family === NFPROTO_INET) {
    return { kind: "table", name: table.name };
  }
  return undefined;
}

/** For people: "link clusternet", "route 10.0.0.0/16 removed". */
export function eventText(event: KernelEvent): string {
  switch (event.kind) {
    case "link":
      return `link ${event.name}${event.removed ? " removed" : ""}`;
    case "address":
      return `address ${event.address}${event.removed ? " removed" : ""}`;
    case "route":
      return `route ${event.destination}${event.removed ? " removed" : ""}`;
    case "forwarding":
      return `forwarding of IPv${event.family}`;
    case "table":
      return `nftables' table inet ${event.name}`;
    case "lost":
      return "more events than fit";
  }
}
