/**
 * Filters of packet(7) sockets: classic BPF, so that of a busy node's packets
 * only those are copied that somebody waits for.
 *
 *      0      2    3    4              8
 *     ┌──────┬────┬────┬──────────────┐
 *     │ code │ jt │ jf │ k            │  struct sock_filter, host order
 *     └──────┴────┴────┴──────────────┘
 *
 * jt and jf: how many instructions to leap over where a comparison holds, and
 * where it does not. (include/uapi/linux/filter.h, bpf_common.h)
 *
 * @module
 */

import {
  addressBytes,
  familyOf,
  type Prefix,
  prefixAddress,
  prefixBits,
} from "../core/address.ts";
import { viewOf } from "./netlink.ts";

const BYTES = 8;

/** Mode and size of a load, and what else there is. */
const LOAD_WORD = 0x20;
const LOAD_HALF = 0x28;
const LOAD_BYTE = 0x30;
const LOAD_HALF_BEHIND_HEADER = 0x48;
const LOAD_HEADER_LENGTH = 0xb1;
const AND = 0x54;
const SUBTRACT = 0x14;
const SHIFT_RIGHT = 0x74;
const MODULO = 0x94;
const IF_EQUAL = 0x15;
const IF_ANY_BIT = 0x45;
const RETURN = 0x06;

/** SKF_AD_OFF + SKF_AD_PKTTYPE, and the type of what this machine sends. */
const PACKET_TYPE = 0xfffff004;
const PACKET_OUTGOING = 4;

const UDP = 17;

/** Bytes of a packet that are handed over. */
const ALL = 0xffff;

/** Longest leap: jt and jf are bytes. */
const FURTHEST = 255;

export interface WantedPackets {
  /** Those to these addresses, whatever they are. */
  readonly to: readonly Prefix[];
  /** But never those. */
  readonly notTo: readonly Prefix[];
  /** UDP to this port, */
  readonly port: number;
  /** whose payload is of one of these lengths, or of several such in one (GSO). Bytes. */
  readonly lengths: readonly number[];
}

/**
 * Of what leaves by an interface. For SOCK_DGRAM: a packet begins with its IPv4
 * or IPv6 header. Fragments but the first, and UDP behind extension headers,
 * are not taken for UDP.
 *
 * @throws {RangeError} where there are so many prefixes that a leap is too long
 */
export function packetFilter(wanted: WantedPackets): Uint8Array<ArrayBuffer> {
  const program = new Program();
  program.load(LOAD_BYTE, PACKET_TYPE);
  program.unless(PACKET_OUTGOING, "reject");
  program.load(LOAD_BYTE, 0);
  program.then(SHIFT_RIGHT, 4);
  program.when(6, "six");
  program.unless(4, "reject");
  prefixes(program, wanted, { family: 4, at: 16 });
  program.load(LOAD_BYTE, 9);
  program.unless(UDP, "reject");
  program.load(LOAD_HALF, 6);
  program.leap(IF_ANY_BIT, 0x1fff, { then: "reject" });
  program.load(LOAD_HEADER_LENGTH, 0);
  udp(program, wanted, { load: LOAD_HALF_BEHIND_HEADER, at: 0 });
  program.label("six");
  prefixes(program, wanted, { family: 6, at: 24 });
  program.load(LOAD_BYTE, 6);
  program.unless(UDP, "reject");
  udp(program, wanted, { load: LOAD_HALF, at: 40 });
  program.label("accept");
  program.then(RETURN, ALL);
  program.label("reject");
  program.then(RETURN, 0);
  return program.bytes();
}

/** The destination: left out first, then let in. */
function prefixes(
  program: Program,
  { to, notTo }: WantedPackets,
  { family, at }: { readonly family: 4 | 6; readonly at: number },
): void {
  const rows = [
    ...notTo.map((prefix) => [prefix, "reject"] as const),
    ...to.map((prefix) => [prefix, "accept"] as const),
  ];
  rows.forEach(([prefix, target], index) => {
    if (familyOf(prefix) !== family) return;
    const bytes = viewOf(addressBytes(prefixAddress(prefix)));
    const bits = prefixBits(prefix);
    const next = `${family} ${index}`;
    for (let word = 0; word * 32 < bits; word++) {
      program.load(LOAD_WORD, at + word * 4);
      const rest = Math.min(32, bits - word * 32);
      program.then(AND, rest === 32 ? 0xffffffff : ~(2 ** (32 - rest) - 1));
      program.unless(bytes.getUint32(word * 4, false), next);
    }
    program.leap(IF_EQUAL, 0, { then: target, otherwise: target });
    program.label(next);
  });
}

function udp(
  program: Program,
  { port, lengths }: WantedPackets,
  { load, at }: { readonly load: number; readonly at: number },
): void {
  program.load(load, at + 2);
  program.unless(port, "reject");
  for (const length of lengths) {
    program.load(load, at + 4);
    program.then(SUBTRACT, 8);
    program.then(MODULO, length);
    program.when(0, "accept");
  }
  program.leap(IF_EQUAL, 0, { then: "reject", otherwise: "reject" });
}

interface Instruction {
  readonly code: number;
  readonly k: number;
  readonly then?: string | undefined;
  readonly otherwise?: string | undefined;
}

/** Instructions whose leaps name where they go. */
class Program {
  readonly #instructions: Instruction[] = [];
  readonly #labels = new Map<string, number>();

  label(name: string): void {
    this.#labels.set(name, this.#instructions.length);
  }

  load(code: number, at: number): void {
    this.then(code, at);
  }

  then(code: number, k: number): void {
    this.#instructions.push({ code, k });
  }

  when(k: number, target: string): void {
    this.leap(IF_EQUAL, k, { then: target });
  }

  unless(k: number, target: string): void {
    this.leap(IF_EQUAL, k, { otherwise: target });
  }

  leap(
    code: number,
    k: number,
    to: { readonly then?: string; readonly otherwise?: string },
  ): void {
    this.#instructions.push({ code, k, ...to });
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#instructions.length * BYTES);
    const view = new DataView(bytes.buffer);
    this.#instructions.forEach(({ code, k, then, otherwise }, index) => {
      view.setUint16(index * BYTES, code, true);
      view.setUint8(index * BYTES + 2, this.#distance(index, then));
      view.setUint8(index * BYTES + 3, this.#distance(index, otherwise));
      view.setUint32(index * BYTES + 4, k >>> 0, true);
    });
    return bytes;
  }

  #distance(from: number, label: string | undefined): number {
    if (label === undefined) return 0;
    const distance = (this.#labels.get(label) ?? 0) - from - 1;
    if (distance >= 0 && distance <= FURTHEST) return distance;
    throw new RangeError(`Cannot filter packets: too many prefixes (${label})`);
  }
}
