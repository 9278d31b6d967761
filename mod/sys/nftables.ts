/**
 * The tables of nf_tables in the network namespace of this process.
 *
 * @module
 */

import { ERRNO, KernelError } from "../core/errors.ts";
import {
  decodeTable,
  deleteTable,
  dumpTables,
  encodeBatch,
  NETLINK_NETFILTER,
  NFPROTO_INET,
} from "../wire/nftables.ts";
import { NetlinkSocket } from "./netlink_socket.ts";
import type { Shim } from "./shim.ts";

/** include/uapi/asm-generic/errno.h: the kernel knows no NETLINK_NETFILTER */
const EPROTONOSUPPORT = 93;

export class Nftables {
  readonly #shim: Shim;

  constructor(shim: Shim) {
    this.#shim = shim;
  }

  /** Is there a table `inet NAME`? Where the kernel has no nf_tables, there is none. */
  async hasTable(name: string): Promise<boolean> {
    try {
      using socket = new NetlinkSocket(this.#shim, NETLINK_NETFILTER);
      const { values } = await socket.dump(
        dumpTables(),
        "list nftables' tables",
        decodeTable,
      );
      return values.some((it) =>
        it.family === NFPROTO_INET && it.name === name
      );
    } catch (error) {
      if (error instanceof KernelError && isMissing(error.errno)) return false;
      throw error;
    }
  }

  /** With all that is in it. ENOENT where it is not there. */
  async removeTable(name: string): Promise<void> {
    using socket = new NetlinkSocket(this.#shim, NETLINK_NETFILTER);
    const request = deleteTable({ family: NFPROTO_INET, name });
    await socket.batch(
      (sequence) => encodeBatch([request], sequence),
      `remove table inet ${name}`,
      { count: 1 },
    );
  }
}

/** nfnetlink without nf_tables says EINVAL (net/netfilter/nfnetlink.c, nfnetlink_rcv_msg). */
function isMissing(errno: number): boolean {
  const { EINVAL, EOPNOTSUPP } = ERRNO;
  return [EINVAL, EOPNOTSUPP, EPROTONOSUPPORT].some((one) => one === errno);
}
