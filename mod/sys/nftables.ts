/**
 * The tables of nf_tables in the network namespace of this process.
 *
 * A table is read whole, and compared by what it says; only while the kernel's
 * generation number is the same as then it is not read again, as then nobody
 * has changed any table. So a look that finds nothing costs one request.
 *
 * @module
 */

import type { Family } from "../core/address.ts";
import { ERRNO, KernelError } from "../core/errors.ts";
import type { ForwardDrop } from "../core/forward.ts";
import type { Table } from "../core/nftables.ts";
import {
  encodeBatch,
  NETLINK_NETFILTER,
  NFPROTO_INET,
} from "../wire/nfnetlink.ts";
import { encodeFamily } from "../wire/family.ts";
import {
  decodeAccepted,
  decodeChain,
  decodeGeneration,
  decodeRule,
  decodeTable,
  deleteTable,
  dumpChainRules,
  dumpChains,
  dumpRules,
  dumpTables,
  getChain,
  getGeneration,
  replaceTable,
} from "../wire/nftables.ts";
import { NetlinkSocket } from "./netlink_socket.ts";
import type { Shim } from "./shim.ts";

/** Somebody else may change tables all the while. */
const READ_TRIES = 5;

interface Seen {
  readonly name: string;
  readonly generation: number;
  readonly table: Table | null;
}

export class Nftables {
  readonly #shim: Shim;
  #seen: Seen | undefined;

  constructor(shim: Shim) {
    this.#shim = shim;
  }

  /** `null`: no table `inet NAME`, or a kernel without nf_tables. */
  async read(name: string): Promise<Table | null> {
    try {
      using socket = new NetlinkSocket(this.#shim, NETLINK_NETFILTER);
      return await this.#readSettled(socket, name);
    } catch (error) {
      if (error instanceof KernelError && isMissing(error.errno)) return null;
      throw error;
    }
  }

  /** All of it in one transaction: before and after there is a whole table, or none of it happens. */
  async replace(table: Table): Promise<void> {
    this.#seen = undefined;
    await this.#batch(replaceTable(table), `replace table inet ${table.name}`);
  }

  /** Of iptables, as far as it is nf_tables too. */
  async forwardDrops(): Promise<readonly ForwardDrop[]> {
    const drops: ForwardDrop[] = [];
    for (const family of [4, 6] as const) {
      try {
        using socket = new NetlinkSocket(this.#shim, NETLINK_NETFILTER);
        const drop = await forwardDrop(socket, family);
        if (drop !== undefined) drops.push(drop);
      } catch (error) {
        if (!(error instanceof KernelError)) throw error;
        if (error.errno !== ERRNO.ENOENT && !isMissing(error.errno)) {
          throw error;
        }
      }
    }
    return drops;
  }

  /** Is there a table `inet NAME`? Where the kernel has no nf_tables, there is none. */
  async hasTable(name: string): Promise<boolean> {
    return await this.read(name) !== null;
  }

  /** With all that is in it. ENOENT where it is not there. */
  async removeTable(name: string): Promise<void> {
    this.#seen = undefined;
    await this.#batch([deleteTable(name)], `remove table inet ${name}`);
  }

  async #batch(
    requests: ReturnType<typeof replaceTable>,
    what: string,
  ): Promise<void> {
    using socket = new NetlinkSocket(this.#shim, NETLINK_NETFILTER);
    const encode = (sequence: number): Uint8Array<ArrayBuffer> =>
      encodeBatch(requests, sequence);
    await socket.batch(encode, what, { count: requests.length });
  }

  /** Three dumps are one picture only where nothing has changed meanwhile. */
  async #readSettled(
    socket: NetlinkSocket,
    name: string,
  ): Promise<Table | null> {
    let before = await generation(socket);
    const seen = this.#seen;
    if (seen?.name === name && seen.generation === before) return seen.table;
    for (let tries = 1;; tries++) {
      const table = await readTable(socket, name);
      const after = await generation(socket);
      if (after === before) {
        this.#seen = { name, generation: before, table };
        return table;
      }
      // What is seen then is at worst the reason to make the table anew.
      if (tries === READ_TRIES) return table;
      before = after;
    }
  }
}

/** iptables' own names. */
const FORWARD = { table: "filter", name: "FORWARD" };

/** `undefined`: it drops nothing by policy. */
async function forwardDrop(
  socket: NetlinkSocket,
  version: Family,
): Promise<ForwardDrop | undefined> {
  const family = encodeFamily(version); // NFPROTO_IPV4 and NFPROTO_IPV6
  const what = "read the chain FORWARD";
  const record = await socket.request(
    getChain(family, FORWARD),
    what,
    decodeChain,
  );
  const chain = record?.chain;
  if (chain?.hook !== "forward" || chain.policy !== "drop") return undefined;
  const { values } = await socket.dump(
    dumpChainRules(family, FORWARD),
    what,
    decodeAccepted,
  );
  return { family: version, accepts: values };
}

async function generation(socket: NetlinkSocket): Promise<number> {
  const what = "ask for the generation of nftables' rules";
  return await socket.request(getGeneration(), what, decodeGeneration) ?? 0;
}

async function readTable(
  socket: NetlinkSocket,
  name: string,
): Promise<Table | null> {
  const tables = await socket.dump(
    dumpTables(),
    "list nftables' tables",
    decodeTable,
  );
  const head = tables.values.find((it) =>
    it.family === NFPROTO_INET && it.name === name
  );
  if (head === undefined) return null;
  const what = `list table inet ${name}`;
  const chains = await socket.dump(dumpChains(), what, decodeChain);
  const rules = await socket.dump(dumpRules(name), what, decodeRule);
  return {
    name,
    dormant: head.dormant,
    chains: chains.values.filter(({ table }) => table === name).map((
      { chain },
    ) => ({
      ...chain,
      rules: rules.values.filter((it) =>
        it.table === name && it.chain === chain.name
      ).map(({ rule }) => rule),
    })),
  };
}

/**
 * nfnetlink without nf_tables says EINVAL (net/netfilter/nfnetlink.c,
 * nfnetlink_rcv_msg), a kernel without nfnetlink EPROTONOSUPPORT.
 */
export function isMissing(errno: number): boolean {
  const { EINVAL, EOPNOTSUPP, EPROTONOSUPPORT } = ERRNO;
  return [EINVAL, EOPNOTSUPP, EPROTONOSUPPORT].some((one) => one === errno);
}
