/**
 * A machine's network in the manner of ip(8), wg(8), nft(8) and ss(8), where
 * these are not installed: a line for each thing, and all that is known of it.
 *
 * @module
 */

import { familyOf } from "../core/address.ts";
import type { UdpSocketFacts } from "../core/machine_facts.ts";
import type {
  AddressFacts,
  FirewallFacts,
  NumberedLink,
  WholeRoute,
  WireGuardFacts,
} from "../core/network_facts.ts";
import { tableText } from "../core/nft_text.ts";
import type { Peer } from "../core/state.ts";
import { NO_TRAFFIC, type PeerTraffic } from "../core/traffic.ts";
import { durationText } from "./units.ts";

/** include/uapi/linux/rtnetlink.h, enum rt_scope_t */
const SCOPES: Readonly<Record<number, string>> = {
  0: "global",
  200: "site",
  253: "link",
  254: "host",
  255: "nowhere",
};

/** include/uapi/linux/rtnetlink.h: RTPROT_… that ip(8) has names for. */
const PROTOCOLS: Readonly<Record<number, string>> = {
  1: "redirect",
  2: "kernel",
  3: "boot",
  4: "static",
  9: "ra",
  16: "dhcp",
  186: "bgp",
};

export function linksText(links: readonly NumberedLink[]): string {
  return text(links.map(({ alias, index, kind, mtu, name, up }) =>
    words(
      `${index}: ${name}:`,
      up ? "up" : "down",
      `mtu ${mtu}`,
      some("kind", kind),
      alias === "" ? "" : `alias ${JSON.stringify(alias)}`,
    )
  ));
}

export function addressesText(addresses: readonly AddressFacts[]): string {
  return text(addresses.map(({ address, bits, link, marks, scope }) =>
    words(
      `${link}:`,
      `${familyOf(address) === 4 ? "inet" : "inet6"} ${address}/${bits}`,
      `scope ${SCOPES[scope] ?? scope}`,
      ...marks,
    )
  ));
}

export function routesText(routes: readonly WholeRoute[]): string {
  return text(routes.map((route) => {
    const { destination, hops, marks, metric, protocol, scope } = route;
    const { source, table, type } = route;
    const through = hops.map(({ device, gateway }) =>
      words(some("via", gateway), some("dev", device))
    );
    return words(
      type === "unicast" ? "" : type,
      /^(0\.0\.0\.0|::)\/0$/.test(destination) ? "default" : destination,
      ...through.length > 1 ? through.map((hop) => `nexthop ${hop}`) : through,
      table === "main" ? "" : `table ${table}`,
      `proto ${PROTOCOLS[protocol] ?? protocol}`,
      // IPv6 has none.
      scope === 0 ? "" : `scope ${SCOPES[scope] ?? scope}`,
      some("src", source),
      metric === 0 ? "" : `metric ${metric}`,
      ...marks,
    );
  }));
}

/** @param nowMs milliseconds since 1970 */
export function wireGuardText(
  devices: readonly WireGuardFacts[],
  nowMs: number,
): string {
  return devices.map(({ device, link, mark, peers, traffic }) =>
    text([
      `interface: ${link}`,
      `  public key: ${device.publicKey ?? "(none)"}`,
      `  listening port: ${device.listenPort}`,
      ...mark ? [`  fwmark: 0x${mark.toString(16)}`] : [],
      `  peers: ${peers.size}`,
      ...[...peers.values()].flatMap((peer) =>
        peerLines(peer, traffic.get(peer.publicKey) ?? NO_TRAFFIC, nowMs)
      ),
    ])
  ).join("\n");
}

function peerLines(
  peer: Peer,
  { lastHandshakeMs, receivedBytes, sentBytes }: PeerTraffic,
  nowMs: number,
): readonly string[] {
  const handshake = lastHandshakeMs === undefined
    ? "never"
    : `${new Date(lastHandshakeMs).toISOString()}, ${
      durationText((nowMs - lastHandshakeMs) / 1_000)
    } ago`;
  return [
    "",
    `peer: ${peer.publicKey}`,
    ...peer.presharedKey ? ["  preshared key: (hidden)"] : [],
    `  endpoint: ${peer.endpoint ?? "(none)"}`,
    `  allowed ips: ${peer.allowedIps.join(", ") || "(none)"}`,
    `  latest handshake: ${handshake}`,
    `  transfer: ${receivedBytes} B received, ${sentBytes} B sent`,
    `  persistent keepalive: ${
      peer.keepaliveSeconds === 0 ? "off" : `${peer.keepaliveSeconds} s`
    }`,
  ];
}

export function firewallText(facts: FirewallFacts): string {
  const { chains, drops, legacy, own, tables } = facts;
  return text([
    "# tables, and what hangs on a hook",
    ...tables.map(({ dormant, name }) =>
      `table ${name}${dormant ? " # dormant" : ""}`
    ),
    ...chains.map(({ hook, name, policy, priority, table, type }) =>
      `chain ${table} ${name} { type ${type} hook ${hook} priority ${priority}; policy ${policy}; }`
    ),
    "",
    "# what drops by policy what is forwarded",
    ...chains.filter(({ hook, policy }) =>
      hook === "forward" && policy === "drop"
    ).map(({ name, table }) => `chain ${table} ${name}`),
    ...drops.map(({ accepts, family }) =>
      `iptables FORWARD of IPv${family}, with ${accepts.length} rules`
    ),
    ...legacy.length === 0
      ? []
      : ["", `# tables of iptables-legacy: ${legacy.join(", ")}`],
    "",
    "# the agent's own",
    own === null ? "(none)" : tableText(own).trimEnd(),
  ]);
}

export function socketsText(sockets: readonly UdpSocketFacts[]): string {
  return text(sockets.map((socket) =>
    words(
      `udp ${socket.local}`,
      /:0$/.test(socket.remote) ? "" : `peer ${socket.remote}`,
      `uid ${socket.uid}`,
      `waiting ${socket.waitingBytes}`,
      `drops ${socket.drops}`,
      // The kernel's own have no inode.
      socket.inode === 0n ? "kernel" : `inode ${socket.inode}`,
      some("program", socket.program),
    )
  ));
}

function some(what: string, value: string | undefined): string {
  return value === undefined || value === "" ? "" : `${what} ${value}`;
}

function words(...all: readonly string[]): string {
  return all.filter((word) => word !== "").join(" ");
}

function text(lines: readonly string[]): string {
  return lines.length === 0
    ? "(none)\n"
    : lines.map((line) => `${line}\n`).join("");
}
