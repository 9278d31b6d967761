/**
 * Routes, as rtnetlink has them: struct rtmsg and attributes.
 *
 *      0       1       2       3       4       5       6       7       8       12
 *     ┌───────┬───────┬───────┬───────┬───────┬───────┬───────┬───────┬───────┐
 *     │ family│ bits  │ source│  tos  │ table │ proto │ scope │ type  │ flags │
 *     └───────┴───────┴───────┴───────┴───────┴───────┴───────┴───────┴───────┘
 *
 * What is read back equals what was written, given that it was written as the
 * kernel keeps it:
 *
 * - an IPv6 route has no metric 0: it gets 1024 (IP6_RT_PRIO_USER), so ask for
 *   1024. `addRoute()` writes 1024 in place of 0, lest `removeRoute()` take 0 for "any";
 * - an unreachable IPv6 route says "dev lo"; the decoder drops that;
 * - scope is not part of the value: the encoder chooses it as ip(8) does, link
 *   for an IPv4 route without a gateway, nowhere (any) for removal.
 *
 * @module
 */

import {
  type Address,
  addressBytes,
  addressFromBytes,
  type Family,
  familyBits,
  familyOf,
  makePrefix,
  type Prefix,
  prefixAddress,
  prefixBits,
} from "../core/address.ts";
import type { Route } from "../core/state.ts";
import { Attributes, type Writer } from "./attribute.ts";
import { decodeFamily, encodeFamily } from "./family.ts";
import {
  need,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  type Request,
  viewOf,
} from "./netlink.ts";

/** include/uapi/linux/rtnetlink.h */
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;

/** include/uapi/linux/rtnetlink.h, enum rtattr_type_t */
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTA_VIA = 18;

/** include/uapi/linux/rtnetlink.h */
export const RT_TABLE_MAIN = 254;
export const RTPROT_RA = 9;
const RTN_UNICAST = 1;
const RTN_UNREACHABLE = 7;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RT_SCOPE_NOWHERE = 255;
const RTM_F_CLONED = 0x200;

/** include/uapi/linux/ipv6_route.h: what an IPv6 route without a metric gets. */
const IP6_RT_PRIO_USER = 1024;

/** include/uapi/linux/rtnetlink.h, enum rt_class_t */
const TABLES: Readonly<Record<number, string>> = {
  253: "default",
  [RT_TABLE_MAIN]: "main",
  255: "local",
};

/** include/uapi/linux/rtnetlink.h: RTN_…, as ip(8) calls them */
const TYPES: readonly string[] = [
  ...["unspec", "unicast", "local", "broadcast", "anycast", "multicast"],
  ...["blackhole", "unreachable", "prohibit", "throw", "nat", "xresolve"],
];

/** include/uapi/linux/rtnetlink.h: RTNH_F_…, which are those of a route of one hop too */
const MARKS: readonly (readonly [number, string])[] = [
  ...[[1, "dead"], [4, "onlink"], [16, "linkdown"]] as const,
];

const RTMSG_BYTES = 12;
/** struct rtnexthop: length, flags, hops, link's index */
const RTNEXTHOP_BYTES = 8;

export interface NextHop {
  /** Of the output link; 0: none is named. */
  readonly index: number;
  readonly gateway: Address | undefined;
}

/** A route with links as numbers. */
export interface RouteRecord extends Omit<Route, "device"> {
  readonly table: number;
  /** None for unreachable ones; several for multipath. */
  readonly hops: readonly NextHop[];
  /** A cache entry (RTM_F_CLONED), not a route. */
  readonly cloned: boolean;
}

/** As ip(8) calls a table: by its number, where the kernel itself has no name for it. */
export function tableName(table: number): string {
  return TABLES[table] ?? String(table);
}

/** Every route of every family and table. */
export function dumpRoutes(): Request {
  return {
    type: RTM_GETROUTE,
    flags: NLM_F_DUMP,
    body: (out) => out.raw32(0).raw32(0).raw32(0),
  };
}

/**
 * A route of table main.
 *
 * @param options.index of the link, for unicast ones
 * @param options.replace `false`: EEXIST where one of the same key is there
 */
export function addRoute(
  route: Route,
  options: { readonly index: number | undefined; readonly replace: boolean },
): Request {
  const other = options.replace ? NLM_F_REPLACE : NLM_F_EXCL;
  const scope = familyOf(route.destination) === 4 && route.type === "unicast"
    ? RT_SCOPE_LINK
    : RT_SCOPE_UNIVERSE;
  return {
    type: RTM_NEWROUTE,
    flags: NLM_F_CREATE | other,
    body: (out) => encodeRoute(out, route, { index: options.index, scope }),
  };
}

/** ESRCH where there is none of this destination, metric, protocol, type and link. */
export function removeRoute(
  route: Route,
  options: { readonly index: number | undefined },
): Request {
  const scope = familyOf(route.destination) === 4
    ? RT_SCOPE_NOWHERE
    : RT_SCOPE_UNIVERSE;
  return {
    type: RTM_DELROUTE,
    flags: 0,
    body: (out) => encodeRoute(out, route, { index: options.index, scope }),
  };
}

/**
 * @returns `undefined` for a family that is not ours
 * @throws {SyntaxError} when it is no RTM_NEWROUTE or RTM_DELROUTE message
 */
export function decodeRoute(payload: Uint8Array): RouteRecord | undefined {
  need(payload, RTMSG_BYTES, "route");
  const view = viewOf(payload);
  const family = decodeFamily(view.getUint8(0));
  if (family === undefined) return undefined;
  const attributes = new Attributes(payload.subarray(RTMSG_BYTES));
  const source = attributes.bytes(RTA_PREFSRC);
  const type = decodeType(view.getUint8(7));
  return {
    destination: decodeDestination(
      family,
      view.getUint8(1),
      attributes.bytes(RTA_DST),
    ),
    type,
    source: source && addressFromBytes(source),
    metric: attributes.u32(RTA_PRIORITY) ?? 0,
    protocol: view.getUint8(5),
    table: attributes.u32(RTA_TABLE) ?? view.getUint8(4),
    hops: type === "unreachable" ? [] : decodeHops(attributes),
    cloned: (view.getUint32(8, true) & RTM_F_CLONED) !== 0,
  };
}

/** What people want to know of a route and no plan asks for. */
export interface RouteMarks {
  readonly family: Family;
  /** As ip(8) calls it: "local", "blackhole". */
  readonly type: string;
  /** RT_SCOPE_… */
  readonly scope: number;
  /** "dead", "linkdown", "onlink". */
  readonly marks: readonly string[];
}

/**
 * @returns `undefined` for a family that is not ours
 * @throws {SyntaxError} when it is no RTM_NEWROUTE or RTM_DELROUTE message
 */
export function decodeRouteMarks(payload: Uint8Array): RouteMarks | undefined {
  need(payload, RTMSG_BYTES, "route");
  const view = viewOf(payload);
  const family = decodeFamily(view.getUint8(0));
  if (family === undefined) return undefined;
  const type = view.getUint8(7);
  const flags = view.getUint32(8, true);
  return {
    family,
    type: TYPES[type] ?? `type ${type}`,
    scope: view.getUint8(6),
    marks: MARKS.flatMap(([bit, name]) => (flags & bit) === 0 ? [] : [name]),
  };
}

function encodeRoute(
  out: Writer,
  route: Route,
  options: { readonly index: number | undefined; readonly scope: number },
): void {
  const { destination, source, type } = route;
  const family = familyOf(destination);
  const metric = family === 6 && route.metric === 0
    ? IP6_RT_PRIO_USER
    : route.metric;
  out.raw8(encodeFamily(family)).raw8(prefixBits(destination)).raw8(0).raw8(0)
    .raw8(RT_TABLE_MAIN).raw8(route.protocol).raw8(options.scope)
    .raw8(encodeType(type)).raw32(0);
  out.bytes(RTA_DST, addressBytes(prefixAddress(destination)));
  if (source !== undefined) out.bytes(RTA_PREFSRC, addressBytes(source));
  if (options.index !== undefined) out.u32(RTA_OIF, options.index);
  if (metric !== 0) out.u32(RTA_PRIORITY, metric);
}

function encodeType(type: Route["type"]): number {
  switch (type) {
    case "unicast":
      return RTN_UNICAST;
    case "unreachable":
      return RTN_UNREACHABLE;
    case "other":
      throw new TypeError("Cannot encode a route that is not one of ours");
  }
}

function decodeType(type: number): Route["type"] {
  if (type === RTN_UNICAST) return "unicast";
  return type === RTN_UNREACHABLE ? "unreachable" : "other";
}

/** The default route has no RTA_DST. */
function decodeDestination(
  family: Family,
  bits: number,
  bytes: Uint8Array = new Uint8Array(familyBits(family) / 8),
): Prefix {
  if (bytes.length * 8 !== familyBits(family) || bits > familyBits(family)) {
    throw new SyntaxError(
      `Cannot decode route: a destination of ${bytes.length} bytes and ${bits} bits`,
    );
  }
  return makePrefix(bytes, bits);
}

function decodeHops(attributes: Attributes): readonly NextHop[] {
  const several = attributes.bytes(RTA_MULTIPATH);
  if (several !== undefined) return decodeMultipath(several);
  const index = attributes.u32(RTA_OIF) ?? 0;
  const gateway = decodeGateway(attributes);
  return index === 0 && gateway === undefined ? [] : [{ index, gateway }];
}

function decodeMultipath(bytes: Uint8Array): readonly NextHop[] {
  const view = viewOf(bytes);
  const hops: NextHop[] = [];
  for (let at = 0; bytes.length - at >= RTNEXTHOP_BYTES;) {
    const length = view.getUint16(at, true);
    if (length < RTNEXTHOP_BYTES || length > bytes.length - at) {
      throw new SyntaxError(
        `Cannot decode next hops: length ${length} at byte ${at}`,
      );
    }
    const own = bytes.subarray(at + RTNEXTHOP_BYTES, at + length);
    hops.push({
      index: view.getUint32(at + 4, true),
      gateway: decodeGateway(new Attributes(own)),
    });
    at += (length + 3) & ~3;
  }
  return hops;
}

/** RTA_VIA is a gateway of another family: its number, then the address. */
function decodeGateway(attributes: Attributes): Address | undefined {
  const bytes = attributes.bytes(RTA_GATEWAY) ??
    attributes.bytes(RTA_VIA)?.subarray(2);
  return bytes && addressFromBytes(bytes);
}
