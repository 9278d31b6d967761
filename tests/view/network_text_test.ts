import assert from "node:assert/strict";
import { parseAddress, parsePrefix } from "../../mod/core/address.ts";
import { parsePublicKey } from "../../mod/core/key.ts";
import type { WholeRoute } from "../../mod/core/network_facts.ts";
import {
  addressesText,
  firewallText,
  linksText,
  routesText,
  socketsText,
  wireGuardText,
} from "../../mod/view/network_text.ts";

const KEY = parsePublicKey(new Uint8Array(32).fill(7).toBase64());

const ROUTE: WholeRoute = {
  family: 4,
  type: "unicast",
  destination: parsePrefix("0.0.0.0/0"),
  hops: [{ device: "eth0", gateway: parseAddress("192.0.2.1") }],
  table: "main",
  protocol: 16,
  scope: 0,
  source: undefined,
  metric: 100,
  marks: [],
};

Deno.test("links, addresses and sockets are a line each", () => {
  const link = {
    index: 3,
    name: "cn0",
    kind: "wireguard",
    alias: "clusternet",
  };
  assert.equal(
    linksText([{ ...link, mtu: 1420, up: true }]),
    '3: cn0: up mtu 1420 kind wireguard alias "clusternet"\n',
  );
  const address = { link: "cn0", address: parseAddress("fd00::1"), bits: 128 };
  assert.equal(
    addressesText([{ ...address, scope: 253, marks: ["tentative"] }]),
    "cn0: inet6 fd00::1/128 scope link tentative\n",
  );
  const socket = { local: "0.0.0.0:7838", uid: 0, waitingBytes: 5, drops: 2 };
  assert.equal(
    socketsText([
      { ...socket, remote: "0.0.0.0:0", inode: 0n, program: "" },
      { ...socket, remote: "192.0.2.9:53", inode: 7n, program: "nc" },
    ]),
    `udp 0.0.0.0:7838 uid 0 waiting 5 drops 2 kernel
udp 0.0.0.0:7838 peer 192.0.2.9:53 uid 0 waiting 5 drops 2 inode 7 program nc
`,
  );
  assert.equal(socketsText([]), "(none)\n");
});

Deno.test("routesText() tells one hop from several, and what becomes of packets without one", () => {
  const hop = { device: "eth1", gateway: undefined };
  assert.equal(
    routesText([
      ROUTE,
      { ...ROUTE, hops: [...ROUTE.hops, hop], marks: ["linkdown"] },
      {
        ...ROUTE,
        type: "blackhole",
        destination: parsePrefix("10.0.0.0/16"),
        hops: [],
        table: "100",
        protocol: 78,
        metric: 0,
      },
    ]),
    `default via 192.0.2.1 dev eth0 proto dhcp metric 100
default nexthop via 192.0.2.1 dev eth0 nexthop dev eth1 proto dhcp metric 100 linkdown
blackhole 10.0.0.0/16 table 100 proto 78
`,
  );
});

Deno.test("wireGuardText() has all that is known of a peer, and that a preshared key is there", () => {
  const peer = {
    publicKey: KEY,
    endpoint: "192.0.2.2:7838",
    allowedIps: [parsePrefix("10.0.2.0/24")],
    keepaliveSeconds: 25,
    presharedKey: true,
  };
  const traffic = {
    endpoint: peer.endpoint,
    lastHandshakeMs: 1_000_000,
    receivedBytes: 92,
    sentBytes: 180,
  };
  const device = { publicKey: KEY, listenPort: 7838 };
  assert.equal(
    wireGuardText([{
      link: "cn0",
      device,
      mark: 0xca6c,
      peers: new Map([[KEY, peer]]),
      traffic: new Map([[KEY, traffic]]),
    }], 1_075_000),
    `interface: cn0
  public key: ${KEY}
  listening port: 7838
  fwmark: 0xca6c
  peers: 1

peer: ${KEY}
  preshared key: (hidden)
  endpoint: 192.0.2.2:7838
  allowed ips: 10.0.2.0/24
  latest handshake: 1970-01-01T00:16:40.000Z, 1 min 15 s ago
  transfer: 92 B received, 180 B sent
  persistent keepalive: 25 s
`,
  );
});

Deno.test("firewallText() names what drops, and shows the agent's own table", () => {
  const chain = { type: "filter", hook: "forward", priority: 0 };
  const text = firewallText({
    tables: [{ name: "inet cn0", dormant: true }],
    chains: [
      { ...chain, table: "inet a", name: "f", policy: "drop" },
      { ...chain, table: "inet b", name: "g", policy: "accept" },
    ],
    own: { name: "cn0", dormant: true, chains: [] },
    drops: [{ family: 4, accepts: [[]] }],
    legacy: ["filter"],
  });
  assert.equal(
    text,
    `# tables, and what hangs on a hook
table inet cn0 # dormant
chain inet a f { type filter hook forward priority 0; policy drop; }
chain inet b g { type filter hook forward priority 0; policy accept; }

# what drops by policy what is forwarded
chain inet a f
iptables FORWARD of IPv4, with 1 rules

# tables of iptables-legacy: filter

# the agent's own
table inet cn0 {
\tflags dormant

}
`,
  );
});
