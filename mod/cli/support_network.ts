/**
 * Pieces of a support bundle that tell of the machine's network, by our own
 * readers: in the agent's image there is no program that would. Where there is
 * one that shows more than we read, what it prints stands below.
 *
 * @module
 */

import type { Config } from "../core/config.ts";
import { errorText } from "../core/errors.ts";
import { findAllUdp } from "../sys/doctor_sockets.ts";
import { Rtnetlink } from "../sys/rtnetlink.ts";
import type { Shim } from "../sys/shim.ts";
import {
  findAddresses,
  findAllRoutes,
  findAllRules,
  findFirewall,
  findWireGuard,
} from "../sys/support_network.ts";
import { sysctlTree } from "../sys/sysctl_tree.ts";
import {
  addressesText,
  firewallText,
  linksText,
  routesText,
  socketsText,
  wireGuardText,
} from "../view/network_text.ts";
import { openShim } from "./setup.ts";
import { type Piece, PIECE_LENGTH } from "./support_piece.ts";
import { programOutput } from "./support_programs.ts";

type Reader = (shim: Shim, config: Config) => Promise<string>;

/** With the program that shows more: counters, next hops, metrics, other selectors, others' rules. */
const READERS: readonly (readonly [
  name: string,
  read: Reader,
  more?: string,
])[] = [
  ["network/links.txt", links, "ip -d -s link show"],
  ["network/addresses.txt", addresses],
  ["network/rules.txt", rules],
  ["network/routes-4.txt", routes(4), "ip -4 route show table all"],
  ["network/routes-6.txt", routes(6), "ip -6 route show table all"],
  ["network/wireguard.txt", wireGuard],
  ["network/nftables.txt", firewall, "nft list ruleset"],
  ["network/sysctl.txt", sysctls],
  ["network/sockets.txt", sockets],
];

export function networkPieces(config: Config): readonly Piece[] {
  return READERS.map(([name, read, more]) => ({
    name,
    text: () =>
      withMore(async () => await read(await openShim(), config), more),
  }));
}

/** @throws {Error} where we cannot read it, and there is no such program */
async function withMore(
  read: () => Promise<string>,
  program: string | undefined,
): Promise<string> {
  if (program === undefined) return await read();
  const more = await programOutput(program);
  if (more === undefined) return await read();
  const own = await read().catch((error) =>
    `(not to be had: ${errorText(error)})\n`
  );
  return `${own}\n${more}`;
}

async function links(shim: Shim): Promise<string> {
  return linksText(await new Rtnetlink(shim).links());
}

async function addresses(shim: Shim): Promise<string> {
  return addressesText(await findAddresses(shim));
}

async function rules(shim: Shim): Promise<string> {
  const all = await findAllRules(shim);
  return ([4, 6] as const).map((family) => {
    const own = all.filter((rule) => rule.family === family);
    return `# IPv${family}\n${own.map(({ text }) => `${text}\n`).join("")}`;
  }).join("\n");
}

function routes(family: 4 | 6): Reader {
  return async (shim) => routesText(await findAllRoutes(family, shim));
}

async function wireGuard(shim: Shim, config: Config): Promise<string> {
  const devices = await findWireGuard(config.interface, shim);
  if (devices.length === 0) throw new Error("there is no WireGuard device");
  return wireGuardText(devices, Date.now());
}

async function firewall(shim: Shim, config: Config): Promise<string> {
  return firewallText(await findFirewall(config.interface, shim));
}

// deno-lint-ignore require-await -- as the others
async function sysctls(shim: Shim, config: Config): Promise<string> {
  const { interface: link, procSysNet: net } = config;
  return sysctlTree({ link, most: PIECE_LENGTH, net, shim });
}

// deno-lint-ignore require-await -- as the others
async function sockets(shim: Shim): Promise<string> {
  return socketsText(findAllUdp(shim));
}
