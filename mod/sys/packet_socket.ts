/**
 * A witness on one interface: what leaves by it and passes a filter.
 *
 * @module
 */

import { ERRNO, KernelError } from "../core/errors.ts";
import { packetFilter, type WantedPackets } from "../wire/packet_filter.ts";
import type { Descriptor, Shim } from "./shim.ts";

/** Bytes, of each: what passes the filter while nobody reads. */
const RECEIVE_BYTES = 4 * 1024 * 1024;

/** Bytes of one packet, several of one size in one included. */
const PACKET_BYTES = 65_536;

export class PacketSocket implements Disposable {
  readonly #shim: Shim;
  readonly #socket: Descriptor;
  readonly #buffer = new Uint8Array(PACKET_BYTES);

  /**
   * Sees from now on.
   *
   * @throws {KernelError} EPERM without CAP_NET_RAW
   */
  constructor(shim: Shim, interfaceIndex: number, wanted: WantedPackets) {
    this.#shim = shim;
    const receiveBuffer = RECEIVE_BYTES;
    this.#socket = shim.openPacket(interfaceIndex, packetFilter(wanted), {
      receiveBuffer,
    });
  }

  /** Hands over what has come; the bytes are gone when `take` returns. */
  drain(take: (packet: Uint8Array) => void): void {
    for (;;) {
      let length: number;
      try {
        length = this.#shim.read(this.#socket, this.#buffer);
      } catch (error) {
        if (error instanceof KernelError && isOver(error.errno)) return;
        throw error;
      }
      take(this.#buffer.subarray(0, length));
    }
  }

  /** Packets that passed the filter and were not kept, since the last call. */
  drops(): number {
    return this.#shim.packetDrops(this.#socket);
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

/** ENETDOWN: the interface has gone, once for each time. */
function isOver(errno: number): boolean {
  return errno === ERRNO.EAGAIN || errno === ERRNO.ENETDOWN;
}
