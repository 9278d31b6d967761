/**
 * The bell that the kernel rings: links, addresses, routes, forwarding, tables. An
 * event says "look again" and no more, so one that is lost does no harm as long
 * as it is said that some were.
 *
 * @module
 */

import { ERRNO, KernelError } from "../core/errors.ts";
import { decodeEvent, type KernelEvent } from "../wire/event.ts";
import { decodeMessages, NETLINK_ROUTE } from "../wire/netlink.ts";
import { NETLINK_NETFILTER } from "../wire/nfnetlink.ts";
import { NFNLGRP_NFTABLES } from "../wire/nftables.ts";
import type { Descriptor, Shim } from "./shim.ts";

/** include/uapi/linux/rtnetlink.h, enum rtnetlink_groups */
const RTNLGRP_LINK = 1;
const RTNLGRP_IPV4_IFADDR = 5;
const RTNLGRP_IPV4_ROUTE = 7;
const RTNLGRP_IPV6_IFADDR = 9;
const RTNLGRP_IPV6_ROUTE = 11;
const RTNLGRP_IPV4_NETCONF = 24;
const RTNLGRP_IPV6_NETCONF = 25;

/** What can be watched: each has a socket of its own. */
export type Watched = keyof typeof SOURCES;

const SOURCES = {
  network: {
    protocol: NETLINK_ROUTE,
    groups: [
      RTNLGRP_LINK,
      RTNLGRP_IPV4_IFADDR,
      RTNLGRP_IPV4_ROUTE,
      RTNLGRP_IPV6_IFADDR,
      RTNLGRP_IPV6_ROUTE,
      RTNLGRP_IPV4_NETCONF,
      RTNLGRP_IPV6_NETCONF,
    ],
  },
  tables: { protocol: NETLINK_NETFILTER, groups: [NFNLGRP_NFTABLES] },
} as const;

/** Room for some thousand events between two looks. */
const RECEIVE_BUFFER = 1 << 20;
const DATAGRAM_BYTES = 65_536;

export interface WatchOptions {
  /** "network" if not told otherwise. */
  readonly watched?: Watched;
  /** Ends the watch, cleanly. */
  readonly signal: AbortSignal;
  /** Must not throw and not take long; `eventText()` has words for people. */
  readonly ring: (event: KernelEvent) => void;
  /** Called once, when nothing from now on will be missed. */
  readonly ready?: () => void;
}

/**
 * Ring at every change, until the signal says to stop.
 *
 * @throws {KernelError} when the socket cannot be opened, or breaks
 */
export async function watchKernel(
  shim: Shim,
  options: WatchOptions,
): Promise<void> {
  const { signal, ready, watched = "network" } = options;
  const { protocol, groups } = SOURCES[watched];
  if (signal.aborted) return;
  using socket = openSocket(shim, protocol);
  if (socket === undefined) return await aborted(signal);
  using wake = shim.openWake();
  for (const group of groups) shim.join(socket, group);
  const stop = (): void => shim.wake(wake);
  signal.addEventListener("abort", stop, { once: true });
  try {
    ready?.();
    const buffer = new Uint8Array(DATAGRAM_BYTES);
    while (!signal.aborted) {
      await shim.wait(socket, { wake, milliseconds: -1 });
      if (!signal.aborted) drain(shim, { socket, buffer, options });
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** `undefined`: a kernel without nfnetlink, where nothing happens that could be told. */
function openSocket(shim: Shim, protocol: number): Descriptor | undefined {
  try {
    return shim.openNetlink(protocol, { receiveBuffer: RECEIVE_BUFFER }).socket;
  } catch (error) {
    const errno = error instanceof KernelError ? error.errno : 0;
    if (errno === ERRNO.EPROTONOSUPPORT) return undefined;
    throw error;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );
}

interface Watch {
  readonly socket: Descriptor;
  readonly buffer: Uint8Array<ArrayBuffer>;
  readonly options: WatchOptions;
}

/** A turn of the event loop is not for ever: so many datagrams, then others. */
const DATAGRAMS_A_TURN = 256;

function drain(shim: Shim, watch: Watch): void {
  const { socket, buffer, options } = watch;
  for (let count = 0; count < DATAGRAMS_A_TURN; count++) {
    try {
      const length = shim.receive(socket, buffer);
      if (length > 0) tell(buffer.subarray(0, length), options);
    } catch (error) {
      const errno = error instanceof KernelError ? error.errno : 0;
      if (errno === ERRNO.EAGAIN) return;
      if (errno !== ERRNO.ENOBUFS) throw error;
      shim.counters.add("enobufs");
      options.ring({ kind: "lost" });
    }
  }
}

function tell(datagram: Uint8Array, options: WatchOptions): void {
  const { ring } = options;
  let messages;
  try {
    messages = decodeMessages(datagram).map(decodeEvent);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // What cannot be read may have been anything.
    return ring({ kind: "lost" });
  }
  for (const event of messages) {
    if (event !== undefined) ring(event);
  }
}
