/**
 * Which size of packet comes through: UDP that may not be fragmented, to a port
 * that nobody uses. The refusal is the answer, and it needs no right and no
 * program.
 *
 * The other machine refuses only so often: six times at once, then once a second
 * for each that asks (net/ipv4/icmp.c, icmp_ratelimit; net/ipv6/icmp.c). So the
 * large ones go first, and rounds wait for their turn: what was not answered was
 * lost.
 *
 * @module
 */

import { type Address, endpointText, familyOf } from "../core/address.ts";
import { ERRNO, KernelError } from "../core/errors.ts";
import { encodeSockaddr } from "../wire/sockaddr.ts";
import { systemClock as clock } from "./clock.ts";
import { DISCARD } from "./probe.ts";
import type { Descriptor, Shim } from "./shim.ts";

/** Bytes of the headers of IP and UDP. */
const HEADERS = { 4: 28, 6: 48 } as const;

/** Bytes: every path carries so much (RFC 791; RFC 8200 has 1280). */
const LEAST = 576;

/** Milliseconds for which an answer is waited for, and between two looks. */
const ANSWER_MS = 1_000;
const LOOK_MS = 10;

/** Milliseconds between rounds: so that the other machine refuses again. */
const PAUSE_MS = 1_000;

/** Packets of one round. */
const AT_ONCE = 30;

/** By the other machine, or by a firewall on it. */
const REFUSALS: readonly number[] = [
  ...[ERRNO.ECONNREFUSED, ERRNO.EHOSTUNREACH, ERRNO.EACCES],
];

export class SizedProbe {
  readonly #shim: Shim;
  readonly #address: Address;

  constructor(shim: Shim, address: Address) {
    this.#shim = shim;
    this.#address = address;
  }

  /** Does one of so many bytes, IP header included, come through? */
  async comesThrough(bytes: number, withinMs = ANSWER_MS): Promise<boolean> {
    return (await this.#round([bytes], withinMs)).length > 0;
  }

  /**
   * The largest that comes through, up to `most`.
   *
   * @returns `null`: not known, as the smallest has no answer either
   */
  async largest(most: number): Promise<number | null> {
    // A packet may be lost by chance.
    if (await this.comesThrough(most)) return most;
    if (await this.comesThrough(most)) return most;
    if (!await this.comesThrough(LEAST)) return null;
    let low = LEAST;
    let high = most;
    while (high - low > 1) {
      await clock.sleep(PAUSE_MS);
      const step = Math.max(1, Math.ceil((high - low) / AT_ONCE));
      const sizes: number[] = [];
      for (let size = low + step; size < high; size += step) sizes.push(size);
      const through = await this.#round(sizes);
      const floor = Math.max(low, ...through);
      high = Math.min(high, ...sizes.filter((size) => size > floor));
      low = floor;
    }
    await clock.sleep(PAUSE_MS);
    // The small one shows that there is an answer to be had, and the large one had the first turn.
    return await this.largestOf([most, low]);
  }

  /** The largest of a few sizes that comes through; `null`: none. */
  async largestOf(sizes: readonly number[]): Promise<number | null> {
    const through = await this.#round(sizes);
    return through.length === 0 ? null : Math.max(...through);
  }

  /** Sends one of each size, the largest first. @returns those that came through */
  async #round(
    sizes: readonly number[],
    withinMs = ANSWER_MS,
  ): Promise<readonly number[]> {
    const until = clock.now() + withinMs;
    const through: number[] = [];
    let left: readonly Packet[] = [...sizes].sort((a, b) => b - a)
      .flatMap((size) => this.#send(size) ?? []);
    try {
      while (left.length > 0 && clock.now() < until) {
        await clock.sleep(LOOK_MS);
        left = left.filter((packet) => {
          const fate = this.#fateOf(packet);
          if (fate === "under way") return true;
          if (fate === "through") through.push(packet.size);
          packet.socket.close();
          return false;
        });
      }
      return through;
    } finally {
      for (const { socket } of left) socket.close();
    }
  }

  /** `undefined`: it was not even sent, as our own link does not take it. */
  #send(size: number): Packet | undefined {
    const headers = HEADERS[familyOf(this.#address)];
    const to = encodeSockaddr(endpointText(this.#address, DISCARD));
    let socket: Descriptor | undefined;
    try {
      socket = this.#shim.openProbe(to);
      this.#shim.write(socket, new Uint8Array(Math.max(0, size - headers)));
      return { socket, size };
    } catch (error) {
      socket?.close();
      if (error instanceof KernelError) return undefined;
      throw error;
    }
  }

  /** EMSGSIZE and others: a router on the way says that it does not come through. */
  #fateOf({ socket }: Packet): "through" | "lost" | "under way" {
    try {
      this.#shim.read(socket, new Uint8Array(1));
      return "through";
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      if (error.errno === ERRNO.EAGAIN) return "under way";
      return REFUSALS.includes(error.errno) ? "through" : "lost";
    }
  }
}

interface Packet {
  readonly socket: Descriptor;
  readonly size: number;
}
