import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import { FrameCounter } from "./capture.ts";
import { classifyFrame } from "./frames.ts";

const RULES = {
  clusterCidrs: [parsePrefix("10.0.0.0/16"), parsePrefix("fd00:10::/48")],
  wireguardPort: 7838,
  apiPort: 6443,
};

function hex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(text.replace(/#.*/g, "").replace(/\s+/g, ""));
}

const ETHERNET = "aaaaaaaaaaaa bbbbbbbbbbbb";

/** IPv4 header without options; source and destination as hex. */
function ipv4(protocol: string, from: string, to: string): string {
  return `45000054 00004000 40${protocol}0000 ${from} ${to}`;
}

function ipv6(next: string, from: string, to: string): string {
  return `60000000 0008${next}40 ${from} ${to}`;
}

const NODE_1 = "c0a84e0b"; // 192.168.78.11
const NODE_2 = "c0a84e0c";
const POD_1 = "0a000102"; // 10.0.1.2
const POD_2 = "0a000202";
const NODE_6 = "fd000078000000000000000000000011";
const POD_6 = "fd001000000000000000000000000001"; // outside fd00:10::/48
const POD_6_IN = "fd000010000000010000000000000002";

const CASES: readonly {
  readonly name: string;
  readonly frame: string;
  readonly kind: string;
  readonly pods?: readonly string[];
}[] = [
  {
    name: "WireGuard",
    frame: `0800 ${ipv4("11", NODE_1, NODE_2)} 1e9e1e9e 00400000`,
    kind: "WireGuard",
  },
  {
    name: "API",
    frame: `0800 ${ipv4("06", NODE_1, NODE_2)} c000192b 00000000`,
    kind: "API",
  },
  {
    name: "a pod's ping in clear",
    frame: `0800 ${ipv4("01", POD_1, POD_2)} 0800`,
    kind: "ICMP",
    pods: ["10.0.1.2", "10.0.2.2"],
  },
  {
    name: "a pod's datagram to the port of WireGuard is still in clear",
    frame: `0800 ${ipv4("11", POD_1, NODE_2)} 1e9e1e9e 00400000`,
    kind: "WireGuard",
    pods: ["10.0.1.2"],
  },
  {
    name: "the same behind a VLAN tag",
    frame: `8100 0007 0800 ${ipv4("11", NODE_1, POD_2)} 00350035`,
    kind: "UDP 53",
    pods: ["10.0.2.2"],
  },
  {
    name: "a tunnel without encryption",
    frame: `0800 ${ipv4("04", NODE_1, NODE_2)} ${ipv4("06", POD_1, POD_2)}`,
    kind: "IPIP",
    pods: ["10.0.1.2", "10.0.2.2"],
  },
  {
    name: "an ICMP error that quotes a pod's packet",
    frame: `0800 ${ipv4("01", NODE_1, NODE_2)} 03040000 00000000 ${
      ipv4("11", POD_1, POD_2)
    }`,
    kind: "ICMP error",
    pods: ["10.0.1.2", "10.0.2.2"],
  },
  {
    name: "a question for the hardware address of a pod",
    frame: `0806 0001080006040001 bbbbbbbbbbbb ${NODE_1} 000000000000 ${POD_2}`,
    kind: "ARP/ND",
    pods: ["10.0.2.2"],
  },
  {
    name: "a question for the hardware address of a node",
    frame:
      `0806 0001080006040001 bbbbbbbbbbbb ${NODE_1} 000000000000 ${NODE_2}`,
    kind: "ARP/ND",
  },
  {
    name: "neighbour solicitation for a pod",
    frame: `86dd ${ipv6("3a", NODE_6, NODE_6)} 87000000 00000000 ${POD_6_IN}`,
    kind: "ARP/ND",
    pods: ["fd00:10:0:1::2"],
  },
  {
    name: "a listener report behind hop-by-hop options",
    frame: `86dd ${ipv6("00", NODE_6, NODE_6)} 3a00050200000000 8f000000`,
    kind: "IPv6 MLD",
  },
  {
    name: "an address that only looks like a pod's",
    frame: `86dd ${ipv6("06", POD_6, NODE_6)} 0050c000`,
    kind: "TCP 80",
  },
  { name: "a frame that is cut", frame: "0800 4500", kind: "IP protocol 0" },
  { name: "another protocol", frame: "88cc 0207", kind: "Ethernet 0x88cc" },
];

Deno.test("classifyFrame() tells kinds apart and finds pod addresses in clear", () => {
  for (const { name, frame, kind, pods = [] } of CASES) {
    assert.deepEqual(
      classifyFrame(hex(`${ETHERNET} ${frame}`), RULES),
      { kind, podAddresses: pods },
      name,
    );
  }
});

Deno.test("FrameCounter counts the same however the stream is cut", () => {
  const frames = CASES.map(({ frame }) => hex(`${ETHERNET} ${frame}`));
  const header = hex("d4c3b2a1 0200 0400 00000000 00000000 c0000000 01000000");
  const pcap = frames.flatMap((frame) => {
    const record = new DataView(new ArrayBuffer(16));
    record.setUint32(8, frame.length, true);
    record.setUint32(12, frame.length, true);
    return [...new Uint8Array(record.buffer), ...frame];
  });
  const stream = Uint8Array.from([...header, ...pcap]);
  for (const size of [1, 7, 24, 40, stream.length]) {
    const counter = new FrameCounter(RULES);
    for (let at = 0; at < stream.length; at += size) {
      counter.take(stream.subarray(at, at + size));
    }
    assert.equal(counter.frames, CASES.length);
    assert.equal(counter.kinds.get("WireGuard"), 2);
    assert.equal(
      counter.clear.get("ICMP with 10.0.1.2 and 10.0.2.2"),
      1,
    );
  }
});

Deno.test("FrameCounter refuses what is no pcap", () => {
  const counter = new FrameCounter(RULES);
  assert.throws(() => counter.take(new Uint8Array(24)), SyntaxError);
});
