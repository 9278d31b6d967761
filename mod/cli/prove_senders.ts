/**
 * Sends the packets of a proof: from the node's address in its own podCIDR, as
 * a pod's, to the same of its peers.
 *
 * @module
 */

import {
  type Address,
  type Family,
  familyOf,
  firstAddress,
  type Prefix,
} from "../core/address.ts";
import { errorText, FatalError } from "../core/errors.ts";
import type { PeerProof } from "../doctor/encryption.ts";
import { DISCARD } from "../sys/probe.ts";

/** Bytes that tell our packets from all others. */
export const MARK_BYTES = 16;

/** Headers of UDP in IPv4 and IPv6, and what WireGuard's data message adds; bytes. */
const HEADERS = { 4: 28, 6: 48 } as const;
const WIREGUARD = 32;

export interface Target {
  readonly node: string;
  readonly endpoint: string;
  /** Where it listens. */
  readonly host: string;
  readonly port: number;
  /** Its first address in one of its podCIDRs. */
  readonly address: Address;
}

export interface Shape {
  /** The mark, and zeros up to a length that hardly any other packet has. */
  readonly payload: Uint8Array<ArrayBuffer>;
  /** Bytes of the UDP payload that WireGuard makes of it, in each of our families. */
  readonly wire: ReadonlyMap<Family, number>;
}

export function shapeOf(own: readonly Prefix[]): Shape {
  const [random = 0] = crypto.getRandomValues(new Uint8Array(1));
  const payload = new Uint8Array(500 + random);
  crypto.getRandomValues(payload.subarray(0, MARK_BYTES));
  // What it carries is padded to 16 bytes (WireGuard paper, 5.4.6).
  const wire = new Map(
    own.map(familyOf).map((family) => [
      family,
      Math.ceil((payload.length + HEADERS[family]) / 16) * 16 + WIREGUARD,
    ]),
  );
  return { payload, wire };
}

type Sent = Pick<PeerProof, "sent" | "failure">;

export class Senders implements Disposable {
  readonly #sockets = new Map<Family, Deno.DatagramConn>();
  readonly #sent = new Map<Target, Sent>();
  readonly #shape: Shape;

  /** @throws {FatalError} where the node does not have its own addresses */
  constructor(own: readonly Prefix[], shape: Shape) {
    this.#shape = shape;
    for (const prefix of own) {
      const hostname = firstAddress(prefix);
      try {
        this.#sockets.set(
          familyOf(prefix),
          Deno.listenDatagram({ transport: "udp", hostname, port: 0 }),
        );
      } catch (cause) {
        this[Symbol.dispose]();
        throw new FatalError(
          `Cannot prove encryption: nothing can be sent from ${hostname}, the link's address (${
            errorText(cause)
          }); \`clusternet doctor --only link-address,link-missing\` tells why`,
          1,
          { cause },
        );
      }
    }
  }

  /** Of another length, so that nobody counts them: WireGuard wants a session first. */
  async greet(targets: readonly Target[]): Promise<void> {
    const bytes = new Uint8Array(1);
    await Promise.all(targets.map((target) => this.#send(target, bytes)));
  }

  /** One packet to each. */
  async send(targets: readonly Target[]): Promise<void> {
    await Promise.all(targets.map(async (target) => {
      const failure = await this.#send(target, this.#shape.payload);
      const { sent, failure: earlier } = this.sentTo(target);
      this.#sent.set(
        target,
        failure === ""
          ? { sent: sent + 1, failure: earlier }
          : { sent, failure },
      );
    }));
  }

  /** @returns why not; "": it is sent */
  async #send(
    { address }: Target,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<string> {
    const socket = this.#sockets.get(familyOf(address));
    if (socket === undefined) return "this node has no podCIDR of its family";
    try {
      const to = {
        transport: "udp",
        hostname: address,
        port: DISCARD,
      } as const;
      await socket.send(bytes, to);
      return "";
    } catch (error) {
      return errorText(error);
    }
  }

  sentTo(target: Target): Sent {
    return this.#sent.get(target) ?? { sent: 0, failure: "" };
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets.values()) socket.close();
  }
}
