/**
 * Changes of the network's settings, as rtnetlink announces them: one byte of
 * family, padded to four, and attributes. Only forwarding matters here.
 *
 * @module
 */

import type { Family } from "../core/address.ts";
import { Attributes } from "./attribute.ts";
import { decodeFamily } from "./family.ts";
import { need } from "./netlink.ts";

/** include/uapi/linux/rtnetlink.h */
export const RTM_NEWNETCONF = 80;
export const RTM_DELNETCONF = 81;

/** include/uapi/linux/netconf.h */
const NETCONFA_IFINDEX = 1;
const NETCONFA_FORWARDING = 2;
/** In place of a link's index. */
export const NETCONFA_IFINDEX_ALL = -1;

const NETCONFMSG_BYTES = 4;

export interface NetconfRecord {
  readonly family: Family;
  /** A link's, or NETCONFA_IFINDEX_ALL, or -2 for the default of new links. */
  readonly index: number;
  /** `undefined`: something else has changed. */
  readonly forwarding: boolean | undefined;
}

/**
 * @returns `undefined` for a family that is not ours
 * @throws {SyntaxError} when it is no RTM_NEWNETCONF message
 */
export function decodeNetconf(payload: Uint8Array): NetconfRecord | undefined {
  need(payload, 1, "netconf");
  const family = decodeFamily(payload[0] ?? 0);
  if (family === undefined) return undefined;
  const attributes = new Attributes(payload.subarray(NETCONFMSG_BYTES));
  const forwarding = attributes.u32(NETCONFA_FORWARDING);
  return {
    family,
    index: (attributes.u32(NETCONFA_IFINDEX) ?? 0) | 0,
    forwarding: forwarding === undefined ? undefined : forwarding !== 0,
  };
}
