/**
 * Looks at what leaves a node while a proof is made, and counts it.
 *
 * @module
 */

import {
  type Address,
  contains,
  familyOf,
  type Prefix,
} from "../core/address.ts";
import type { ClearPackets, PeerProof } from "../doctor/encryption.ts";
import type { PacketSocket } from "../sys/packet_socket.ts";
import { decodeIpPacket, type IpPacket } from "../wire/ip_packet.ts";
import { MARK_BYTES, type Shape, type Target } from "./prove_senders.ts";

/** First byte of WireGuard's data message (WireGuard paper, 5.4.6). */
const DATA_MESSAGE = 4;

/** Kinds of packets in clear that are told apart: a leak of all is no use in full. */
const KINDS = 20;

export class Witnesses implements Disposable {
  readonly #shape: Shape;
  readonly #ranges: readonly Prefix[];
  readonly #mark: string;
  /** By the address that its packets go to; outside of the tunnel, with the length that they have. */
  readonly #inside: ReadonlyMap<Address, Target>;
  readonly #outside: ReadonlyMap<string, Target>;
  readonly #sockets: (readonly [string, PacketSocket])[] = [];
  readonly #inTunnel = new Map<Target, number>();
  /** By link: a packet of a VLAN or a bond passes two. */
  readonly #encrypted = new Map<Target, Map<string, number>>();
  readonly #clear = new Map<string, ClearPackets>();

  /** @param options.ranges of pods: what goes there and is no WireGuard is in clear */
  constructor(
    targets: readonly Target[],
    { shape, ranges }: {
      readonly shape: Shape;
      readonly ranges: readonly Prefix[];
    },
  ) {
    this.#shape = shape;
    this.#ranges = ranges;
    this.#mark = markOf(shape.payload);
    this.#inside = new Map(targets.map((one) => [one.address, one]));
    this.#outside = new Map(
      targets.map((one) => {
        const length = shape.wire.get(familyOf(one.address));
        return [`${one.host} ${length}`, one];
      }),
    );
  }

  /** @param device "": it is the tunnel's */
  watch(device: string, socket: PacketSocket): void {
    this.#sockets.push([device, socket]);
  }

  look(): void {
    for (const [device, socket] of this.#sockets) {
      socket.drain((bytes) => {
        const packet = decodeIpPacket(bytes);
        if (packet === undefined) return;
        if (device === "") this.#enters(packet);
        else this.#leaves(packet, device);
      });
    }
  }

  #enters({ destination, udp }: IpPacket): void {
    const target = this.#inside.get(destination);
    if (target === undefined || udp === undefined) return;
    const count = this.#marked(udp.payload);
    this.#inTunnel.set(target, (this.#inTunnel.get(target) ?? 0) + count);
  }

  #leaves(packet: IpPacket, device: string): void {
    const { destination, udp } = packet;
    for (const length of this.#shape.wire.values()) {
      const target = this.#outside.get(`${destination} ${length}`);
      if (target === undefined || udp?.port !== target.port) continue;
      const count = udp.payload.length / length;
      if (!Number.isInteger(count) || udp.payload[0] !== DATA_MESSAGE) continue;
      const counts = this.#encrypted.get(target) ?? new Map<string, number>();
      this.#encrypted.set(target, counts);
      counts.set(device, (counts.get(device) ?? 0) + count);
      return;
    }
    if (this.#ranges.some((range) => contains(range, destination))) {
      this.#leaks(packet, device);
    }
  }

  #leaks(
    { source, destination, protocol, udp }: IpPacket,
    device: string,
  ): void {
    const ours = udp !== undefined && markOf(udp.payload) === this.#mark;
    const what = `${protocol} ${source} > ${destination}`;
    const key = `${device} ${what} ${ours}`;
    const known = this.#clear.get(key);
    if (known === undefined && this.#clear.size >= KINDS) return;
    const packets = (known?.packets ?? 0) + 1;
    this.#clear.set(key, { device, what, packets, ours });
  }

  /** How often: one segment after the other where the kernel has put them together. */
  #marked(payload: Uint8Array): number {
    if (markOf(payload) !== this.#mark) return 0;
    return Math.max(1, Math.round(payload.length / this.#shape.payload.length));
  }

  sawAll(packets: number): boolean {
    return [...this.#inside.values()].every((target) => {
      const { inTunnel, encrypted } = this.seenOf(target);
      return inTunnel >= packets && encrypted >= packets;
    });
  }

  seenOf(
    target: Target,
  ): Pick<PeerProof, "inTunnel" | "encrypted" | "device"> {
    const counts = [...this.#encrypted.get(target) ?? []];
    const [[device, encrypted] = ["", 0]] = counts.sort(([, a], [, b]) =>
      b - a
    );
    const inTunnel = this.#inTunnel.get(target) ?? 0;
    return { inTunnel, encrypted, device };
  }

  clear(): readonly ClearPackets[] {
    return [...this.#clear.values()];
  }

  unseen(): number {
    return this.#sockets.reduce((sum, [, one]) => sum + one.drops(), 0);
  }

  [Symbol.dispose](): void {
    for (const [, socket] of this.#sockets) socket[Symbol.dispose]();
  }
}

function markOf(payload: Uint8Array): string {
  return payload.subarray(0, MARK_BYTES).toHex();
}
