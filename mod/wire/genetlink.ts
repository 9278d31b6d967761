/**
 * Generic netlink: families have names, and numbers that the kernel gives out
 * at run time.
 *
 *      0       1       2               4
 *     ┌───────┬───────┬───────────────┬─────────────┐
 *     │command│version│       0       │ attributes… │
 *     └───────┴───────┴───────────────┴─────────────┘
 *
 * @module
 */

import { Attributes, type Writer } from "./attribute.ts";
import { need, type Request } from "./netlink.ts";

/** include/uapi/linux/genetlink.h: the family that knows the others */
export const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;

const GENL_HDRLEN = 4;

/** ENOENT where the kernel has no such family (and no module that brings it). */
export function getFamily(name: string): Request {
  const header = { command: CTRL_CMD_GETFAMILY, version: 1 };
  return genericRequest(
    GENL_ID_CTRL,
    header,
    (out) => out.string(CTRL_ATTR_FAMILY_NAME, name),
  );
}

/**
 * The message type of a family.
 *
 * @throws {SyntaxError} when it is not what getFamily() asks for
 */
export function decodeFamilyId(payload: Uint8Array): number {
  const id = genericAttributes(payload).u16(CTRL_ATTR_FAMILY_ID);
  if (id === undefined) {
    throw new SyntaxError("Cannot decode netlink family: it has no number");
  }
  return id;
}

/** @param type the family's number */
export function genericRequest(
  type: number,
  header: {
    readonly command: number;
    readonly version: number;
    readonly flags?: number;
  },
  attributes: (out: Writer) => void,
): Request {
  return {
    type,
    flags: header.flags ?? 0,
    body: (out) => {
      out.raw8(header.command).raw8(header.version).raw16(0);
      attributes(out);
    },
  };
}

/** The attributes behind the header. @throws {SyntaxError} when it is cut short */
export function genericAttributes(payload: Uint8Array): Attributes {
  need(payload, GENL_HDRLEN, "generic netlink message");
  return new Attributes(payload.subarray(GENL_HDRLEN));
}
