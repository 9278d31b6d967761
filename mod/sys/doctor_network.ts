/**
 * What a diagnosis reads of the network and the agent does not: routes of all
 * tables, policy rules, and the firewalls.
 *
 * @module
 */

import { KernelError } from "../core/errors.ts";
import type { RouteFacts } from "../core/machine_facts.ts";
import { AF_INET, AF_INET6 } from "../wire/family.ts";
import { NETLINK_ROUTE, type Request } from "../wire/netlink.ts";
import { NETLINK_NETFILTER, NFPROTO_INET } from "../wire/nfnetlink.ts";
import {
  type ChainRecord,
  decodeChain,
  decodeTable,
  dumpAllChains,
  dumpTables,
  type TableHead,
} from "../wire/nftables.ts";
import {
  decodePolicyRule,
  dumpPolicyRules,
  type PolicyRule,
} from "../wire/policy_rule.ts";
import { decodeRoute, dumpRoutes, tableName } from "../wire/route.ts";
import { mustOutput } from "./command_output.ts";
import { NetlinkSocket } from "./netlink_socket.ts";
import { isMissing } from "./nftables.ts";
import { Rtnetlink } from "./rtnetlink.ts";
import type { Shim } from "./shim.ts";

export async function findRoutes(shim: Shim): Promise<readonly RouteFacts[]> {
  const links = new Map(
    (await new Rtnetlink(shim).links()).map(({ index, name }) => [index, name]),
  );
  const all = await dump(shim, {
    request: dumpRoutes(),
    what: "list routes",
    decode: decodeRoute,
  });
  return all.filter(({ cloned }) => !cloned).map(
    ({ destination, protocol, table, hops: [hop] }) => ({
      destination,
      device: links.get(hop?.index ?? 0) ?? "",
      table: tableName(table),
      protocol,
    }),
  );
}

export async function findRules(shim: Shim): Promise<readonly PolicyRule[]> {
  return await dump(shim, {
    request: dumpPolicyRules(),
    what: "list policy rules",
    decode: decodePolicyRule,
  });
}

/** One that changed all the while will do: a person looks at it. */
export async function dump<T>(shim: Shim, options: {
  /** Default: NETLINK_ROUTE. */
  readonly protocol?: number;
  readonly request: Request;
  readonly what: string;
  readonly decode: (payload: Uint8Array) => T | undefined;
}): Promise<readonly T[]> {
  const { protocol = NETLINK_ROUTE, request, what, decode } = options;
  using socket = new NetlinkSocket(shim, protocol);
  return (await socket.dump(request, what, decode)).values;
}

/** Milliseconds. */
const IPTABLES_MS = 3_000;

/** "": there is no iptables(8), or it may not be asked. */
export async function iptablesForward(): Promise<string> {
  try {
    return await mustOutput(["iptables", "-S", "FORWARD"], {
      timeoutMs: IPTABLES_MS,
    });
  } catch {
    return "";
  }
}

/** As nft(8) calls the families whose packets are forwarded, by NFPROTO_…. */
const FAMILIES: Readonly<Record<number, string>> = {
  [NFPROTO_INET]: "inet",
  [AF_INET]: "ip",
  [AF_INET6]: "ip6",
};

/** All of nftables, whosever they are. @throws {KernelError} where the kernel has none of it */
export async function findTables(shim: Shim): Promise<{
  readonly tables: readonly TableHead[];
  readonly chains: readonly ChainRecord[];
}> {
  const tables = await dump(shim, {
    protocol: NETLINK_NETFILTER,
    request: dumpTables(),
    what: "list nftables' tables",
    decode: decodeTable,
  });
  const chains = await dump(shim, {
    protocol: NETLINK_NETFILTER,
    request: dumpAllChains(),
    what: "list nftables' chains",
    decode: decodeChain,
  });
  return { tables, chains };
}

/** Chains of nftables, not iptables' own, that drop by policy what is forwarded. */
export async function droppingChains(
  ours: string,
  shim: Shim,
): Promise<readonly string[]> {
  try {
    const { chains, tables } = await findTables(shim);
    const asleep = tables.filter(({ dormant }) => dormant).map(tableText);
    return chains.flatMap(({ family, table: name, chain }) => {
      const table = tableText({ family, name });
      const iptables = /^ip6? filter$/.test(table) && chain.name === "FORWARD";
      const drops = chain.hook === "forward" && chain.policy === "drop" &&
        FAMILIES[family] !== undefined;
      return drops && !iptables && table !== `inet ${ours}` &&
          !asleep.includes(table)
        ? [`${table} ${chain.name}`]
        : [];
    });
  } catch (error) {
    // A kernel without nf_tables has no chains of it.
    if (error instanceof KernelError && isMissing(error.errno)) return [];
    throw error;
  }
}

/** "inet clusternet" */
export function tableText({ family, name }: {
  readonly family: number;
  readonly name: string;
}): string {
  return `${FAMILIES[family] ?? family} ${name}`;
}
