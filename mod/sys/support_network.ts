/**
 * What a support bundle reads of the network without any program: in the agent's
 * image there is none.
 *
 * @module
 */

import type { Family } from "../core/address.ts";
import { KernelError } from "../core/errors.ts";
import type {
  AddressFacts,
  FirewallFacts,
  WholeRoute,
  WireGuardFacts,
} from "../core/network_facts.ts";
import {
  decodeAddress,
  decodeAddressMarks,
  dumpAddresses,
} from "../wire/ifaddr.ts";
import {
  decodeAnyRule,
  dumpPolicyRules,
  type PolicyRule,
} from "../wire/policy_rule.ts";
import {
  decodeRoute,
  decodeRouteMarks,
  dumpRoutes,
  tableName,
} from "../wire/route.ts";
import { dump, findTables, tableText } from "./doctor_network.ts";
import { isMissing, Nftables } from "./nftables.ts";
import { readProc } from "./proc_file.ts";
import { Rtnetlink } from "./rtnetlink.ts";
import type { Shim } from "./shim.ts";
import { KernelWireGuard } from "./wireguard_kernel.ts";
import { UserspaceWireGuard } from "./wireguard_userspace.ts";

/** By number; one that has gone meanwhile has its number for a name. */
async function linkNames(shim: Shim): Promise<(index: number) => string> {
  const links = await new Rtnetlink(shim).links();
  const names = new Map(links.map(({ index, name }) => [index, name]));
  return (index) => names.get(index) ?? `link ${index}`;
}

export async function findAddresses(
  shim: Shim,
): Promise<readonly AddressFacts[]> {
  const nameOf = await linkNames(shim);
  return await dump(shim, {
    request: dumpAddresses(),
    what: "list addresses",
    decode: (payload) => {
      const record = decodeAddress(payload);
      if (record === undefined) return undefined;
      const { address, bits, index, scope } = record;
      const marks = decodeAddressMarks(payload);
      return { link: nameOf(index), address, bits, scope, marks };
    },
  });
}

/** Of all tables. */
export async function findAllRoutes(
  family: Family,
  shim: Shim,
): Promise<readonly WholeRoute[]> {
  const nameOf = await linkNames(shim);
  return await dump(shim, {
    request: dumpRoutes(),
    what: "list routes",
    decode: (payload) => {
      const record = decodeRoute(payload);
      const marks = decodeRouteMarks(payload);
      if (marks?.family !== family || record === undefined || record.cloned) {
        return undefined;
      }
      const { destination, hops, metric, protocol, source, table } = record;
      return {
        ...{ destination, metric, protocol, source, ...marks },
        table: tableName(table),
        hops: hops.map(({ gateway, index }) => ({
          device: index === 0 ? "" : nameOf(index),
          gateway,
        })),
      };
    },
  });
}

/** Those too that lead to no table. */
export async function findAllRules(
  shim: Shim,
): Promise<readonly PolicyRule[]> {
  return await dump(shim, {
    request: dumpPolicyRules(),
    what: "list policy rules",
    decode: decodeAnyRule,
  });
}

/**
 * Every WireGuard device of the kernel's, and the agent's where a program holds
 * it. Never a key that is secret.
 *
 * @throws {KernelError} why one cannot be read
 */
export async function findWireGuard(
  ours: string,
  shim: Shim,
): Promise<readonly WireGuardFacts[]> {
  const kernel = new KernelWireGuard(shim);
  const program = new UserspaceWireGuard();
  const found: WireGuardFacts[] = [];
  for (const { kind, name: link } of await new Rtnetlink(shim).links()) {
    const isKernel = kind === "wireguard";
    if (!isKernel && link !== ours) continue;
    const holder = isKernel ? kernel : program;
    const { device, peers } = await holder.read(link);
    const traffic = await holder.traffic(link);
    const mark = isKernel ? await kernel.mark(link) : undefined;
    found.push({ link, device, mark, peers, traffic });
  }
  return found;
}

/** Tables of iptables that are none of nf_tables, a line each. */
const LEGACY = ["ip_tables_names", "ip6_tables_names"];

/** A kernel without nf_tables has nothing of it. */
export async function findFirewall(
  ours: string,
  shim: Shim,
): Promise<FirewallFacts> {
  const { chains, tables } = await findTables(shim).catch((error) => {
    if (!(error instanceof KernelError && isMissing(error.errno))) throw error;
    return { tables: [], chains: [] };
  });
  const nftables = new Nftables(shim);
  return {
    tables: tables.map((table) => ({
      name: tableText(table),
      dormant: table.dormant,
    })),
    chains: chains.filter(({ chain }) => chain.hook !== "").map(
      ({ chain, family, table: name }) => ({
        ...chain,
        table: tableText({ family, name }),
      }),
    ),
    own: await nftables.read(ours),
    drops: await nftables.forwardDrops(),
    legacy: LEGACY.flatMap((name) =>
      (readProc(`/proc/self/net/${name}`, shim) ?? "").split("\n").filter((
        line,
      ) => line !== "")
    ),
  };
}
