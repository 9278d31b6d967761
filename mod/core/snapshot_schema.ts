/**
 * What a snapshot's text may hold. Each value is parsed as at the edge it once
 * came in by, for what it says is printed as commands that people run.
 *
 * @module
 */

import { z } from "zod";
import {
  type Address,
  type LinkAddress,
  parsePrefix,
  type Prefix,
} from "./address.ts";
import { from } from "./config.ts";
import type { PublicKey } from "./key.ts";
import type { NodeRecord } from "./node.ts";
import {
  parseConflistPath,
  parseInterface,
  parseNetworkName,
  parseNodeName,
  parsePrivateKeyPath,
} from "./option_values.ts";
import type { Snapshot } from "./snapshot.ts";
import type { HostFacts, Peer, Route, State } from "./state.ts";

/** As the kernel told them: canonical, and whatever a person has set. */
const address = spelled<Address>(/^[\da-f:.]{2,45}$/, "no address");
const prefix = spelled<Prefix>(/^[\da-f:.]{2,45}\/\d{1,3}$/, "no prefix");
const linkAddress: z.ZodType<LinkAddress, string> = prefix;
const publicKey = spelled<PublicKey>(
  /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/,
  "no public key",
);
const whole = z.int().nonnegative();
/** As the kernel allows it, which is more than we would choose. */
const linkName = z.string().regex(/^[^/\s\0]{1,15}$/, "no link's name");
const port = z.int().min(0).max(65_535);
/** What other parties wrote, and core judges. */
const foreign = z.string().max(65_536);

const CONFIG = z.object({
  nodeName: from(parseNodeName),
  clusterCidrs: z.array(from(parsePrefix)).min(1).max(2),
  interface: from(parseInterface),
  listenPort: port,
  privateKeyFile: from(parsePrivateKeyPath),
  cniConfFile: from(parseConflistPath),
  cniNetworkName: from(parseNetworkName),
  masquerade: z.boolean(),
  mtu: z.union([z.literal("auto"), z.int().min(576).max(65_535)]),
});

const NODE = z.object({
  name: foreign,
  uid: foreign,
  created: foreign,
  publicKey: foreign.optional(),
  internalIps: z.array(foreign),
  podCidrs: z.array(foreign),
}).transform((node): NodeRecord => ({ ...node, publicKey: node.publicKey }));

const HOST = z.object({
  addresses: z.array(z.object({
    link: linkName,
    kind: z.string(),
    address,
    bits: whole,
    mtu: whole,
  })),
  defaultMtu: whole.optional(),
  gateways: z.array(address),
  raLinks: z.array(linkName),
  ipv6: z.boolean(),
}).transform((host): HostFacts => ({ ...host, defaultMtu: host.defaultMtu }));

const LINK = z.object({
  kind: z.string(),
  alias: z.string(),
  mtu: whole.optional(),
  up: z.boolean(),
}).transform((link) => ({ ...link, mtu: link.mtu }));

const DEVICE = z.object({ publicKey: publicKey.nullable(), listenPort: port });

const ROUTE = z.object({
  destination: prefix,
  type: z.enum(["unicast", "unreachable", "other"]),
  device: linkName.optional(),
  source: address.optional(),
  metric: whole,
  protocol: whole,
}).transform((route): Route => ({
  ...route,
  device: route.device,
  source: route.source,
}));

const PEER = z.object({
  publicKey,
  endpoint: z.string().regex(/^[\d.:a-f[\]]+$/, "no endpoint").optional(),
  allowedIps: z.array(prefix),
  keepaliveSeconds: whole,
  presharedKey: z.boolean(),
}).transform((peer): Peer => ({ ...peer, endpoint: peer.endpoint }));

const MATCH = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("address"),
    side: z.enum(["saddr", "daddr"]),
    prefix,
    inside: z.boolean(),
  }),
  z.object({
    kind: z.literal("output-link"),
    link: z.string(),
    is: z.boolean(),
  }),
  z.object({ kind: z.literal("no-way-back") }),
  z.object({ kind: z.literal("local-source") }),
]);

const TABLE = z.object({
  name: z.string(),
  dormant: z.boolean(),
  chains: z.array(z.object({
    name: z.string(),
    type: z.string(),
    hook: z.string(),
    priority: z.int(),
    policy: z.enum(["accept", "drop"]),
    rules: z.array(z.object({
      matches: z.array(MATCH),
      verdict: z.enum(["drop", "masquerade", "other"]),
      comment: z.string(),
    })),
  })),
});

const STATE = z.object({
  link: LINK.nullable().optional(),
  device: DEVICE.nullable().optional(),
  addresses: z.array(linkAddress).optional(),
  routes: z.array(ROUTE).optional(),
  peers: z.array(PEER).optional(),
  peersComplete: z.boolean().optional(),
  sysctls: z.array(z.tuple([z.string(), z.string()])).optional(),
  table: TABLE.nullable().optional(),
  conflist: z.string().nullable().optional(),
}).transform(({ peers, sysctls, ...state }): State => ({
  ...state,
  ...(peers && { peers: new Map(peers.map((one) => [one.publicKey, one])) }),
  ...(sysctls && { sysctls: new Map(sysctls) }),
}));

export const SNAPSHOT: z.ZodType<Snapshot> = z.object({
  schema: z.literal(1),
  version: z.string().max(100),
  time: z.iso.datetime(),
  running: z.boolean(),
  config: CONFIG,
  publicKey: publicKey.nullable(),
  linkKind: z.enum(["wireguard", "tun"]),
  listed: z.boolean(),
  nodes: z.array(NODE),
  host: HOST,
  observed: STATE,
});

/** Text that is spelled so is one, whatever it says. */
function spelled<T extends string>(
  spelling: RegExp,
  otherwise: string,
): z.ZodType<T, string> {
  return z.string().regex(spelling, otherwise).transform((text) => text as T);
}
