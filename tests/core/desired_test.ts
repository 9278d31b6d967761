import assert from "node:assert/strict";
import {
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../mod/core/address.ts";
import { parseArguments } from "../../mod/core/arguments.ts";
import {
  BARE_MS,
  desired,
  type DesiredInput,
  FIRST_LIST_MISSING,
} from "../../mod/core/desired.ts";
import type { PublicKey } from "../../mod/core/key.ts";
import { textsOf } from "../../mod/core/problem.ts";
import type { HostFacts, Peer } from "../../mod/core/state.ts";
import { routeText } from "../../mod/core/step_text.ts";
import { testKey, testNode } from "../support/nodes.ts";

const HOST: HostFacts = {
  addresses: [{
    link: "eth0",
    kind: "",
    address: parseAddress("192.0.2.1"),
    bits: 24,
    mtu: 1500,
  }],
  defaultMtu: 9000,
  gateways: [],
  raLinks: [],
  ipv6: true,
};

const SELF = testNode(1, {
  internalIps: ["192.0.2.1"],
  podCidrs: ["10.0.1.0/24", "fd00:0:0:1::/64"],
});

function input(
  changes: Partial<DesiredInput> = {},
  args: readonly string[] = ["--cluster-cidr=10.0.0.0/16,fd00::/48"],
): DesiredInput {
  const hostName = SELF.name;
  return {
    config: parseArguments(args, {}, { hostName }).config,
    publicKey: testKey(1),
    self: SELF,
    listed: true,
    peers: new Map(),
    host: HOST,
    linkKind: "wireguard",
    ...changes,
  };
}

function peer(endpoint: string): [PublicKey, Peer] {
  const publicKey = testKey(2);
  const allowedIps: readonly Prefix[] = [parsePrefix("10.0.2.0/24")];
  return [publicKey, {
    publicKey,
    endpoint,
    allowedIps,
    keepaliveSeconds: 0,
    presharedKey: false,
  }];
}

function routes(changes: Partial<DesiredInput>): string[] | undefined {
  return desired(input(changes)).state.routes?.map(routeText);
}

const DEAD_ENDS = [
  "unreachable 10.0.0.0/16 proto 78 metric 4294967295",
  "unreachable fd00::/48 proto 78 metric 4294967295",
];

Deno.test("desired() is whole once our own Node and the first list are known", () => {
  const { state, waiting, notes } = desired(input());
  assert.deepEqual(waiting, []);
  assert.deepEqual(notes, []);
  assert.deepEqual(state.link, {
    kind: "wireguard",
    alias: "clusternet",
    mtu: 1440,
    up: true,
  });
  assert.deepEqual(state.device, { publicKey: testKey(1), listenPort: 7838 });
  assert.deepEqual(state.addresses, ["10.0.1.1/32", "fd00:0:0:1::1/128"]);
  assert.deepEqual(state.routes?.map(routeText), [
    DEAD_ENDS[0],
    "10.0.0.0/16 dev clusternet src 10.0.1.1 proto 78",
    DEAD_ENDS[1],
    "fd00::/48 dev clusternet src fd00:0:0:1::1 proto 78 metric 1024",
  ]);
  assert.equal(state.peers?.size, 0);
  assert.match(state.conflist ?? "", /"mtu": 1440,/);
});

Deno.test("desired() before our own Node is known speaks of link, key, port and dead ends only", () => {
  const { state, waiting } = desired(input({ self: undefined }));
  assert.deepEqual(state, {
    link: { kind: "wireguard", alias: "clusternet", mtu: undefined, up: true },
    device: { publicKey: testKey(1), listenPort: 7838 },
    addresses: undefined,
    routes: state.routes,
    peers: undefined,
    sysctls: new Map([["net/ipv4/ip_forward", "1"]]),
    table: undefined,
    conflist: undefined,
  });
  assert.deepEqual(routes({ self: undefined }), DEAD_ENDS);
  assert.deepEqual(textsOf(waiting), [
    "There is no Node node-1: has the kubelet registered it, and is --node-name as `kubectl get nodes` has it?",
  ]);
  const before = desired(input({ self: undefined, listed: false }));
  assert.deepEqual(before.waiting, [FIRST_LIST_MISSING]);
});

Deno.test("desired() before the first list leaves peers, MTU and CNI alone", () => {
  const { state, waiting } = desired(
    input({ peers: undefined, listed: false }),
  );
  assert.equal(state.peers, undefined);
  assert.equal(state.link?.mtu, undefined);
  assert.equal(state.conflist, undefined);
  assert.equal(state.addresses?.length, 2);
  assert.deepEqual(waiting, [FIRST_LIST_MISSING]);
});

Deno.test("desired() takes the MTU of the InternalIP's link, less 60, or 80 with an IPv6 endpoint", () => {
  const six = new Map([peer("[2001:db8::2]:7838")]);
  const four = new Map([peer("192.0.2.2:7838")]);
  const elsewhere = { ...SELF, internalIps: ["198.51.100.1"] };
  const rows: [Partial<DesiredInput>, string[], number | undefined][] = [
    [{ peers: four }, [], 1440],
    [{ peers: six }, [], 1420],
    [{ peers: four, ipv6Endpoints: true }, [], 1420],
    [{ self: elsewhere }, [], 8940],
    [
      { self: elsewhere, host: { ...HOST, defaultMtu: undefined } },
      [],
      undefined,
    ],
    [{}, ["--mtu=1300"], 1240],
    [{}, ["--mtu=1360", "--cluster-cidr=10.0.0.0/16,fd00::/48"], 1300],
    [{ host: { ...HOST, addresses: [], defaultMtu: 1300 } }, [
      "--cluster-cidr=fd00::/48",
    ], 1280],
  ];
  for (const [changes, args, mtu] of rows) {
    const { state } = desired(input(changes, args));
    assert.equal(state.link?.mtu, mtu, JSON.stringify(args));
  }
});

Deno.test("desired() turns IPv6 forwarding on only with a podCIDR of its own, after accept_ra", () => {
  const host = { ...HOST, raLinks: ["eth0", "eth1.5"] };
  const { state } = desired(input({ host }));
  assert.deepEqual([...state.sysctls ?? []], [
    ["net/ipv4/ip_forward", "1"],
    ["net/ipv6/conf/eth0/accept_ra", "2"],
    ["net/ipv6/conf/eth1.5/accept_ra", "2"],
    ["net/ipv6/conf/all/forwarding", "1"],
  ]);
  const four = { ...SELF, podCidrs: ["10.0.1.0/24"] };
  const { state: single } = desired(input({ host, self: four }));
  assert.deepEqual([...single.sysctls ?? []], [["net/ipv4/ip_forward", "1"]]);
});

Deno.test("desired() says what is missing, and does the rest", () => {
  const node = (changes: Partial<typeof SELF>) => ({
    self: { ...SELF, ...changes },
  });
  const rows: [Partial<DesiredInput>, RegExp, number | undefined][] = [
    [
      node({ podCidrs: [] }),
      /^Own Node node-1 has no podCIDRs yet: kube-controller-manager gives it some within seconds$/,
      undefined,
    ],
    [
      { ...node({ podCidrs: [] }), bareMs: BARE_MS },
      /^Own Node node-1 has no podCIDRs: run kube-controller-manager with --allocate-node-cidrs --cluster-cidr=10\.0\.0\.0\/16,fd00::\/48; if it does, .*CIDRNotAvailable/,
      undefined,
    ],
    [node({ internalIps: [] }), /has no InternalIP yet/, 2],
    [
      node({ podCidrs: ["10.9.1.0/24"] }),
      /10\.9\.1\.0\/24, which is not a part of the cluster CIDR 10\.0\.0\.0\/16: give the agent's --cluster-cidr and kube-controller-manager's the same range/,
      undefined,
    ],
    [node({ podCidrs: ["10.0.0.0/16"] }), /not a part/, undefined],
    [
      node({ podCidrs: ["10.0.1.0/31"] }),
      /too narrow for a gateway and a pod/,
      undefined,
    ],
    [node({ podCidrs: ["x", "10.0.1.0/24"] }), /which is no prefix/, 1],
  ];
  for (const [changes, sentence, addresses] of rows) {
    const { state, waiting } = desired(input(changes));
    assert.match(textsOf(waiting).join("\n"), sentence);
    assert.equal(state.addresses?.length, addresses);
    assert.equal(state.conflist === undefined, addresses === undefined);
  }
});

Deno.test("desired() leaves out a family that the cluster or the machine does not have, and says so", () => {
  const withoutSix = desired(input({}, ["--cluster-cidr=10.0.0.0/16"]));
  assert.match(withoutSix.notes.join(), /no --cluster-cidr is IPv6/);
  assert.deepEqual(withoutSix.waiting, []);
  assert.deepEqual(withoutSix.state.addresses, ["10.0.1.1/32"]);
  const off = desired(input({ host: { ...HOST, ipv6: false } }));
  assert.match(off.notes.join(), /kernel has IPv6 switched off/);
  assert.deepEqual(off.state.routes?.map(routeText), [
    DEAD_ENDS[0],
    "10.0.0.0/16 dev clusternet src 10.0.1.1 proto 78",
  ]);
  assert.doesNotMatch(off.state.conflist ?? "", /::/);
});

Deno.test("desired() writes no CNI configuration where none is wanted", () => {
  const { state, waiting } = desired(input({}, ["--cni-conf-file="]));
  assert.equal(state.conflist, undefined);
  assert.deepEqual(waiting, []);
});
