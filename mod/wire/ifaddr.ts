/**
 * Addresses of links, as rtnetlink has them: struct ifaddrmsg and attributes.
 *
 *      0       1       2       3       4               8
 *     ┌───────┬───────┬───────┬───────┬───────────────┐
 *     │ family│ bits  │ flags │ scope │ link's index  │
 *     └───────┴───────┴───────┴───────┴───────────────┘
 *
 * IPv4 has the address in IFA_LOCAL (IFA_ADDRESS is the far end of a point to
 * point link), IPv6 mostly in IFA_ADDRESS.
 *
 * @module
 */

import {
  type Address,
  addressBytes,
  addressFromBytes,
  type Family,
  familyOf,
} from "../core/address.ts";
import { Attributes } from "./attribute.ts";
import { decodeFamily, encodeFamily } from "./family.ts";
import {
  need,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  type Request,
  viewOf,
} from "./netlink.ts";

/** include/uapi/linux/rtnetlink.h */
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;

/** include/uapi/linux/if_addr.h */
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
/** Usable at once, without asking whether somebody else has it. */
const IFA_F_NODAD = 0x02;

/** include/uapi/linux/if_addr.h: IFA_F_…; an address without PERMANENT has a lifetime */
const MARKS: readonly (readonly [number, string])[] = [
  ...[[0x01, "secondary"], [IFA_F_NODAD, "nodad"]] as const,
  ...[[0x04, "optimistic"], [0x08, "dadfailed"]] as const,
  ...[[0x20, "deprecated"], [0x40, "tentative"]] as const,
  ...[[0x100, "mngtmpaddr"], [0x200, "noprefixroute"]] as const,
];
const IFA_F_PERMANENT = 0x80;

/** include/uapi/linux/rtnetlink.h */
export const RT_SCOPE_UNIVERSE = 0;

const IFADDRMSG_BYTES = 8;

export interface AddressRecord {
  readonly index: number;
  readonly address: Address;
  /** Length of the on-link prefix. */
  readonly bits: number;
  /** RT_SCOPE_… */
  readonly scope: number;
}

/** Every address of a family, or of all. */
export function dumpAddresses(family?: Family): Request {
  const flags = NLM_F_DUMP;
  return {
    type: RTM_GETADDR,
    flags,
    body: (out) => {
      out.raw8(family === undefined ? 0 : encodeFamily(family))
        .raw8(0).raw8(0).raw8(0).raw32(0);
    },
  };
}

/** Global scope. EEXIST where the link has it. */
export function addAddress(record: Omit<AddressRecord, "scope">): Request {
  const flags = NLM_F_CREATE | NLM_F_EXCL;
  return addressRequest(RTM_NEWADDR, flags, record);
}

/** EADDRNOTAVAIL where the link does not have it, with these very bits. */
export function removeAddress(record: Omit<AddressRecord, "scope">): Request {
  return addressRequest(RTM_DELADDR, 0, record);
}

/**
 * @returns `undefined` for a family that is not ours, or without an address
 * @throws {SyntaxError} when it is no RTM_NEWADDR or RTM_DELADDR message
 */
export function decodeAddress(payload: Uint8Array): AddressRecord | undefined {
  need(payload, IFADDRMSG_BYTES, "address");
  const view = viewOf(payload);
  const attributes = new Attributes(payload.subarray(IFADDRMSG_BYTES));
  const bytes = attributes.bytes(IFA_LOCAL) ?? attributes.bytes(IFA_ADDRESS);
  const family = decodeFamily(view.getUint8(0));
  if (family === undefined || bytes === undefined) return undefined;
  return {
    index: view.getUint32(4, true),
    address: addressFromBytes(bytes),
    bits: view.getUint8(1),
    scope: view.getUint8(3),
  };
}

/**
 * What ip(8) says behind an address: "tentative", "dadfailed", "dynamic".
 *
 * @throws {SyntaxError} when it is no RTM_NEWADDR or RTM_DELADDR message
 */
export function decodeAddressMarks(payload: Uint8Array): readonly string[] {
  need(payload, IFADDRMSG_BYTES, "address");
  const attributes = new Attributes(payload.subarray(IFADDRMSG_BYTES));
  const flags = attributes.u32(IFA_FLAGS) ?? viewOf(payload).getUint8(2);
  const marks = MARKS.flatMap(([bit, name]) =>
    (flags & bit) === 0 ? [] : [name]
  );
  return (flags & IFA_F_PERMANENT) === 0 ? [...marks, "dynamic"] : marks;
}

function addressRequest(
  type: number,
  flags: number,
  { index, address: text, bits }: Omit<AddressRecord, "scope">,
): Request {
  const address = addressBytes(text);
  const family = familyOf(text);
  return {
    type,
    flags,
    body: (out) => {
      out.raw8(encodeFamily(family)).raw8(bits)
        .raw8(family === 6 && type === RTM_NEWADDR ? IFA_F_NODAD : 0)
        .raw8(RT_SCOPE_UNIVERSE).raw32(index);
      out.bytes(IFA_LOCAL, address).bytes(IFA_ADDRESS, address);
    },
  };
}
