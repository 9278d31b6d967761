import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import { decodeIpPacket } from "../../mod/wire/ip_packet.ts";
import { packetFilter } from "../../mod/wire/packet_filter.ts";

const WANTED = {
  to: ["10.0.0.0/16", "fd00:10::/56", "172.16.0.0/12"].map(parsePrefix),
  notTo: ["10.0.1.0/24", "fd00:10:0:1::/64"].map(parsePrefix),
  port: 7838,
  lengths: [640, 672],
};

/** A packet of IPv4 with UDP, by RFC 791 and 768. */
function four(
  destination: readonly number[],
  { port = 1, length = 10, protocol = 17, fragment = 0 } = {},
): Uint8Array {
  const bytes = new Uint8Array(28 + length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x45, 0], 0);
  view.setUint16(2, bytes.length);
  view.setUint16(6, fragment);
  bytes[9] = protocol;
  bytes.set([192, 0, 2, 1], 12);
  bytes.set(destination, 16);
  view.setUint16(22, port);
  view.setUint16(24, 8 + length);
  return bytes;
}

function six(
  destination: string,
  { port = 1, length = 10 } = {},
): Uint8Array {
  const bytes = new Uint8Array(48 + length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x60;
  view.setUint16(4, 8 + length);
  bytes[6] = 17;
  bytes.set(Uint8Array.fromHex(destination), 24);
  view.setUint16(42, port);
  view.setUint16(44, 8 + length);
  return bytes;
}

/** What the kernel does with struct sock_filter: Documentation/networking/filter.rst. */
function runs(
  filter: Uint8Array,
  packet: Uint8Array,
  { outgoing = true } = {},
): boolean {
  const program = new DataView(filter.buffer);
  const data = new DataView(packet.buffer);
  let a = 0;
  let x = 0;
  for (let at = 0; at < filter.length / 8; at++) {
    const code = program.getUint16(at * 8, true);
    const k = program.getUint32(at * 8 + 4, true);
    const leap = (holds: boolean): void => {
      at += program.getUint8(at * 8 + (holds ? 2 : 3));
    };
    try {
      switch (code) {
        case 0x20:
          a = data.getUint32(k);
          break;
        case 0x28:
          a = data.getUint16(k);
          break;
        case 0x30:
          a = k === 0xfffff004 ? (outgoing ? 4 : 0) : data.getUint8(k);
          break;
        case 0x48:
          a = data.getUint16(x + k);
          break;
        case 0xb1:
          x = (data.getUint8(k) & 0xf) * 4;
          break;
        case 0x54:
          a = (a & k) >>> 0;
          break;
        case 0x14:
          a = (a - k) >>> 0;
          break;
        case 0x74:
          a >>>= k;
          break;
        case 0x94:
          a %= k;
          break;
        case 0x15:
          leap(a === k);
          break;
        case 0x45:
          leap((a & k) !== 0);
          break;
        case 0x06:
          return k !== 0;
        default:
          throw new Error(`code ${code}`);
      }
    } catch (error) {
      // A load past the end drops the packet.
      if (error instanceof RangeError) return false;
      throw error;
    }
  }
  throw new Error("no return");
}

const POD6 = "fd000010000000020000000000000005";
const OWN6 = "fd000010000000010000000000000005";
const OUT6 = "20010db8000000000000000000000001";
const OUT4 = [198, 51, 100, 7] as const;

// deno-fmt-ignore
const ROWS: readonly (readonly [string, Uint8Array, boolean])[] = [
  ["a packet for another node's pod", four([10, 0, 2, 5], { protocol: 6 }), true],
  ["one in a wider range", four([172, 31, 0, 1]), true],
  ["one for a pod of this node", four([10, 0, 1, 5]), false],
  ["one for elsewhere", four(OUT4), false],
  ["WireGuard of the length", four(OUT4, { port: 7838, length: 640 }), true],
  ["three of them in one", four(OUT4, { port: 7838, length: 3 * 672 }), true],
  ["WireGuard of another length", four(OUT4, { port: 7838, length: 656 }), false],
  ["the length to another port", four(OUT4, { port: 53, length: 640 }), false],
  ["a later fragment", four(OUT4, { port: 7838, length: 640, fragment: 100 }), false],
  ["TCP of that look", four(OUT4, { port: 7838, length: 640, protocol: 6 }), false],
  ["IPv6 for another node's pod", six(POD6), true],
  ["IPv6 for a pod of this node", six(OWN6), false],
  ["IPv6 for elsewhere", six(OUT6), false],
  ["WireGuard over IPv6", six(OUT6, { port: 7838, length: 672 }), true],
  ["what is no IP", Uint8Array.of(0x10, 1, 2, 3), false],
  ["four bytes", Uint8Array.of(0x45, 0, 0, 4), false],
];

for (const [what, packet, passes] of ROWS) {
  Deno.test(`packetFilter() ${passes ? "takes" : "leaves"} ${what}`, () => {
    const filter = packetFilter(WANTED);
    assert.equal(runs(filter, packet), passes);
    assert.equal(runs(filter, packet, { outgoing: false }), false);
  });
}

Deno.test("packetFilter() refuses prefixes that no leap leads past", () => {
  const to = Array.from(
    { length: 200 },
    (_, at) => parsePrefix(`10.${at}.0.0/16`),
  );
  assert.throws(
    () => packetFilter({ ...WANTED, to }),
    /^RangeError: Cannot filter packets: too many prefixes/,
  );
});

Deno.test("decodeIpPacket() reads both families, and nothing that is cut short", () => {
  const { destination, protocol, source, udp } =
    decodeIpPacket(four([10, 0, 2, 5], { port: 9, length: 4 })) ?? {};
  assert.deepEqual(
    [source, destination, protocol, udp?.port, udp?.payload.length],
    ["192.0.2.1", "10.0.2.5", "UDP", 9, 4],
  );
  assert.equal(decodeIpPacket(six(POD6))?.destination, "fd00:10:0:2::5");
  for (const packet of [four([10, 0, 2, 5]), six(POD6)]) {
    for (let length = 0; length < packet.length; length++) {
      const cut = decodeIpPacket(packet.slice(0, length));
      if (length < 20) assert.equal(cut, undefined);
    }
  }
});
