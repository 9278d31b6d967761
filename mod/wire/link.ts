/**
 * Network links, as rtnetlink has them: struct ifinfomsg and attributes.
 *
 *      0       1       2       4               8               12
 *     ┌───────┬───────┬───────┬───────────────┬───────────────┬──────────┐
 *     │ family│   0   │ type  │ index         │ flags         │ change   │ 16
 *     └───────┴───────┴───────┴───────────────┴───────────────┴──────────┘
 *
 * Requests name the link, they do not number it: a link that was deleted and
 * made again meanwhile is still the one that was meant.
 *
 * @module
 */

import type { Link } from "../core/state.ts";
import { Attributes, type Writer } from "./attribute.ts";
import {
  need,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  type Request,
  viewOf,
} from "./netlink.ts";

/** include/uapi/linux/rtnetlink.h */
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;

/** include/uapi/linux/if_link.h */
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_EXT_MASK = 29;
const IFLA_INFO_KIND = 1;

/** include/uapi/linux/rtnetlink.h */
const RTEXT_FILTER_SKIP_STATS = 8;

/** include/uapi/linux/if.h */
const IFF_UP = 1;

const IFINFOMSG_BYTES = 16;

export interface LinkRecord extends Link {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
}

/** One link by name, without its counters. ENODEV where there is none. */
export function getLink(name: string): Request {
  return linkRequest(RTM_GETLINK, {}, (out) => {
    out.string(IFLA_IFNAME, name);
    out.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  });
}

export function dumpLinks(): Request {
  return linkRequest(RTM_GETLINK, { flags: NLM_F_DUMP }, (out) => {
    out.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  });
}

/** EEXIST where the name is taken, EOPNOTSUPP where the kernel lacks the kind. */
export function createLink(name: string, kind: string): Request {
  const flags = NLM_F_CREATE | NLM_F_EXCL;
  return linkRequest(RTM_NEWLINK, { flags }, (out) => {
    out.string(IFLA_IFNAME, name)
      .nest(IFLA_LINKINFO, (info) => {
        info.bytes(IFLA_INFO_KIND, new TextEncoder().encode(kind));
      });
  });
}

/** ENODEV where there is none. */
export function deleteLink(name: string): Request {
  return linkRequest(RTM_DELLINK, {}, (out) => {
    out.string(IFLA_IFNAME, name);
  });
}

export function setLinkAlias(name: string, alias: string): Request {
  return linkRequest(RTM_NEWLINK, {}, (out) => {
    out.string(IFLA_IFNAME, name)
      .bytes(IFLA_IFALIAS, new TextEncoder().encode(alias));
  });
}

/** @param mtu bytes */
export function setLinkMtu(name: string, mtu: number): Request {
  return linkRequest(RTM_NEWLINK, {}, (out) => {
    out.string(IFLA_IFNAME, name).u32(IFLA_MTU, mtu);
  });
}

export function setLinkUp(name: string): Request {
  return linkRequest(RTM_NEWLINK, { up: true }, (out) => {
    out.string(IFLA_IFNAME, name);
  });
}

/** @throws {SyntaxError} when it is no RTM_NEWLINK or RTM_DELLINK message */
export function decodeLink(payload: Uint8Array): LinkRecord {
  need(payload, IFINFOMSG_BYTES, "link");
  const view = viewOf(payload);
  const attributes = new Attributes(payload.subarray(IFINFOMSG_BYTES));
  const info = attributes.nest(IFLA_LINKINFO);
  return {
    index: view.getInt32(4, true),
    name: attributes.string(IFLA_IFNAME) ?? "",
    kind: info?.string(IFLA_INFO_KIND) ?? "",
    alias: attributes.string(IFLA_IFALIAS) ?? "",
    mtu: attributes.u32(IFLA_MTU) ?? 0,
    up: (view.getUint32(8, true) & IFF_UP) !== 0,
  };
}

function linkRequest(
  type: number,
  options: { readonly flags?: number; readonly up?: boolean },
  attributes: (out: Writer) => void,
): Request {
  const { flags = 0, up = false } = options;
  return {
    type,
    flags,
    body: (out) => {
      // family, pad, device type, index: any
      out.raw8(0).raw8(0).raw16(0).raw32(0)
        .raw32(up ? IFF_UP : 0).raw32(up ? IFF_UP : 0);
      attributes(out);
    },
  };
}
