/**
 * What a diagnosis reads of the network by the machine's own commands, where a
 * reader of ours does not have it: all routes, rules, links, firewalls, and
 * which sizes of packets come back.
 *
 * @module
 */

import { mustOutput } from "./command_output.ts";

/** Milliseconds for a command that reads. */
const READ_MS = 3_000;

/** Seconds for which an answer to a ping is waited for. */
const PING_SECONDS = 1;

/** Pings that are under way at once. */
const AT_ONCE = 16;

/** Bytes: every path carries so much (RFC 791; RFC 8200 has 1280). */
const LEAST = 576;

interface IpLink {
  readonly ifname: string;
  readonly mtu: number;
  readonly flags?: readonly string[];
  readonly ifalias?: string;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info?: readonly { readonly local?: string }[];
}

export interface FoundLink {
  readonly name: string;
  readonly kind: string;
  readonly alias: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly addresses: readonly string[];
}

/** @throws {Error} one sentence, where there is no ip(8) that speaks JSON */
export async function findLinks(): Promise<readonly FoundLink[]> {
  const links = await json<IpLink>(["ip", "-j", "-d", "address", "show"]);
  return links.filter(({ ifname }) => ifname !== undefined).map((link) => ({
    name: link.ifname,
    kind: link.linkinfo?.info_kind ?? "",
    alias: link.ifalias ?? "",
    mtu: link.mtu,
    up: link.flags?.includes("UP") ?? false,
    addresses: (link.addr_info ?? []).flatMap(({ local }) => local ?? []),
  }));
}

interface IpRoute {
  readonly dst: string;
  readonly dev?: string;
  readonly type?: string;
  readonly table?: string;
  readonly protocol?: string;
}

export interface FoundRoute {
  readonly destination: string;
  readonly device: string;
  readonly type: string;
  readonly table: string;
  readonly protocol: string;
}

export async function findRoutes(): Promise<readonly FoundRoute[]> {
  const all: FoundRoute[] = [];
  for (const family of ["-4", "-6"]) {
    const line = ["ip", "-j", family, "route", "show", "table", "all"];
    for (const route of await json<IpRoute>(line)) {
      const { dst, dev = "", type = "unicast", table = "main" } = route;
      const { protocol = "" } = route;
      all.push({ destination: dst, device: dev, type, table, protocol });
    }
  }
  return all;
}

export interface FoundRule {
  readonly priority: number;
  readonly table: string;
  readonly text: string;
}

export async function findRules(): Promise<readonly FoundRule[]> {
  const all: FoundRule[] = [];
  for (const family of ["-4", "-6"]) {
    const said = await mustOutput(["ip", family, "rule", "show"], READ);
    for (const text of said.trim().split("\n")) {
      const [, priority = "0"] = /^(\d+):/.exec(text) ?? [];
      const [, table = ""] = /\blookup (\S+)/.exec(text) ?? [];
      if (table !== "") all.push({ priority: Number(priority), table, text });
    }
  }
  return all;
}

/** "": there is no iptables(8), or it may not be asked. */
export async function iptablesForward(): Promise<string> {
  try {
    return await mustOutput(["iptables", "-S", "FORWARD"], READ);
  } catch {
    return "";
  }
}

/**
 * Chains of nftables, not iptables' own, that drop by policy what is forwarded.
 *
 * @throws {Error} where there is no nft(8)
 */
export async function droppingChains(
  ours: string,
): Promise<readonly string[]> {
  const said = await mustOutput(["nft", "list", "chains"], READ);
  const found: string[] = [];
  let table = "";
  let chain = "";
  for (const line of said.split("\n")) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table;
    chain = /^\s+chain (\S+) \{/.exec(line)?.[1] ?? chain;
    const drops = /hook forward\b.*policy drop/.test(line);
    const iptables = /^ip6? filter$/.test(table) && chain === "FORWARD";
    if (drops && !iptables && table !== `inet ${ours}`) {
      found.push(`${table} ${chain}`);
    }
  }
  return found;
}

/** Does one packet of so many bytes, IP header included, come back unbroken? */
export async function pingComesBack(
  address: string,
  bytes: number,
  seconds = PING_SECONDS,
): Promise<boolean> {
  const headers = address.includes(":") ? 48 : 28;
  const size = String(Math.max(0, bytes - headers));
  const line = [
    ...["ping", "-n", "-c", "1", "-W", String(seconds)],
    ...["-M", "do", "-s", size, address],
  ];
  try {
    await mustOutput(line, { timeoutMs: seconds * 1_000 + 1_000 });
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("there is no ")) {
      throw error;
    }
    return false;
  }
}

/**
 * The largest packet that comes back, between what every path carries and
 * `most`; several sizes at once, as every lost one costs a second.
 *
 * @returns `null`: not even the smallest does
 */
export async function largestThatComesBack(
  address: string,
  most: number,
): Promise<number | null> {
  if (await pingComesBack(address, most)) return most;
  let low = LEAST;
  let high = most;
  if (!await pingComesBack(address, low)) return null;
  while (high - low > 1) {
    const step = Math.max(1, Math.ceil((high - low) / AT_ONCE));
    const sizes: number[] = [];
    for (let size = low + step; size < high; size += step) sizes.push(size);
    const back = await Promise.all(
      sizes.map((size) => pingComesBack(address, size)),
    );
    const good = sizes.filter((_, at) => back[at]);
    const floor = Math.max(low, ...good);
    high = Math.min(high, ...sizes.filter((size) => size > floor));
    low = floor;
  }
  return low;
}

const READ = { timeoutMs: READ_MS };

async function json<T>(line: readonly string[]): Promise<readonly T[]> {
  const text = await mustOutput(line, READ);
  return text.trim() === "" ? [] : JSON.parse(text);
}
