import assert from "node:assert/strict";
import { overlaps, parsePrefix } from "../../mod/core/address.ts";
import {
  type Candidate,
  candidateFrom,
  ownFrom,
} from "../../mod/core/candidate.ts";
import type { PublicKey } from "../../mod/core/key.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import { peerOf, settle } from "../../mod/core/ownership.ts";
import {
  type Finding,
  type NodeChange,
  PeerIndex,
} from "../../mod/core/peer_index.ts";
import type { Peer } from "../../mod/core/state.ts";
import { hostileNode, testKey, testNode } from "../support/nodes.ts";
import { Random } from "../support/random.ts";

const OWN_KEY = testKey(9999);
const CONFIG = {
  nodeName: "node-0",
  clusterCidrs: [parsePrefix("10.0.0.0/15"), parsePrefix("fd00::/46")],
  listenPort: 7838,
};

interface Full {
  readonly peers: Map<PublicKey, Peer>;
  readonly findings: Map<string, Finding>;
}

/** The specification: all Nodes judged and settled at once. */
function full(nodes: ReadonlyMap<string, NodeRecord>): Full | undefined {
  const self = nodes.get(CONFIG.nodeName);
  if (self === undefined) return undefined;
  const own = ownFrom(self, OWN_KEY);
  const judged = [...nodes.values()].filter((node) => node !== self)
    .map((node) => candidateFrom(node, own, CONFIG));
  const settled = settle(
    judged.filter((one): one is Candidate => one.kind === "candidate"),
  );
  const peers = new Map<PublicKey, Peer>();
  const findings = new Map<string, Finding>();
  for (const { name, remarks } of judged) {
    const holding = settled.get(name);
    const peer = holding && peerOf(holding);
    if (peer !== undefined) peers.set(peer.publicKey, peer);
    const conflicts = holding?.conflicts ?? [];
    if (remarks.length + conflicts.length > 0) {
      findings.set(name, { peer: peer !== undefined, remarks, conflicts });
    }
  }
  return { peers, findings };
}

function sorted<K extends string, V>(
  map: ReadonlyMap<K, V> | undefined,
): [K, V][] {
  return [...map ?? []].sort(([a], [b]) => a < b ? -1 : 1);
}

function hostileChange(random: Random): NodeChange {
  const node = hostileNode(random, 14);
  const gone = random.chance(node.name === CONFIG.nodeName ? 0.05 : 0.3);
  return { name: node.name, node: gone ? undefined : node };
}

Deno.test("PeerIndex equals settle() over all Nodes after any sequence of changes", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const index = new PeerIndex(CONFIG, OWN_KEY);
    const nodes = new Map<string, NodeRecord>();
    const self = testNode(0, { podCidrs: ["10.0.3.0/24"] });
    nodes.set(self.name, self);
    index.replace([self]);
    for (let step = 0; step < 40; step++) {
      const before = new Map(index.peers());
      const findingsBefore = new Map(index.findings);
      const changes = Array.from(
        { length: 1 + random.below(4) },
        () => hostileChange(random),
      ).filter(({ name }) => name !== CONFIG.nodeName || random.chance(0.2));
      for (const { name, node } of changes) {
        if (node === undefined) nodes.delete(name);
        else nodes.set(name, node);
      }
      const spoke = index.peers() !== undefined;
      const touched = random.chance(0.1)
        ? index.replace(random.shuffle([...nodes.values()]))
        : index.apply(changes);
      const expected = full(nodes);
      const label = `seed ${seed}, step ${step}`;
      assert.deepEqual(sorted(index.peers()), sorted(expected?.peers), label);
      if (expected === undefined) continue;
      assert.deepEqual(
        sorted(index.findings),
        sorted(expected.findings),
        label,
      );
      const ipv6 = [...expected.peers.values()].some((peer) =>
        peer.endpoint?.startsWith("[")
      );
      assert.equal(index.ipv6Endpoints, ipv6, label);
      if (!spoke) continue;
      const keys = new Set([...before.keys(), ...expected.peers.keys()]);
      for (const key of keys) {
        const same = isDeepEqual(before.get(key), expected.peers.get(key));
        assert.equal(touched.keys.has(key), !same, `${label}, key ${key}`);
      }
      const names = new Set([
        ...findingsBefore.keys(),
        ...expected.findings.keys(),
      ]);
      for (const name of names) {
        const same = isDeepEqual(
          texts(findingsBefore.get(name)),
          texts(expected.findings.get(name)),
        );
        assert.equal(touched.names.has(name), !same, `${label}, ${name}`);
      }
    }
  }
});

Deno.test("PeerIndex gives disjoint AllowedIPs whatever the Nodes say", () => {
  const random = new Random(7);
  const index = new PeerIndex(CONFIG, OWN_KEY);
  index.replace([testNode(0)]);
  for (let step = 0; step < 200; step++) {
    index.apply(
      [hostileChange(random)].filter(({ name }) => name !== "node-0"),
    );
    const all = [...index.peers()?.values() ?? []].flatMap((peer) =>
      peer.allowedIps
    );
    for (const [at, prefix] of all.entries()) {
      const other = all.slice(0, at).find((one) => overlaps(one, prefix));
      assert.equal(other, undefined, `step ${step}: ${prefix}`);
    }
  }
});

Deno.test("PeerIndex says nothing of peers before the first list and while our own Node is away", () => {
  const index = new PeerIndex(CONFIG, OWN_KEY);
  index.apply([{ name: "node-0", node: testNode(0) }]);
  index.apply([{ name: "node-1", node: testNode(1) }]);
  assert.equal(index.peers(), undefined);
  index.replace([testNode(1)]);
  assert.equal(index.peers(), undefined);
  index.replace([testNode(0), testNode(1)]);
  assert.deepEqual([...index.peers()?.keys() ?? []], [testKey(1)]);
  index.apply([{ name: "node-0", node: undefined }]);
  assert.equal(index.peers(), undefined);
  index.apply([{ name: "node-1", node: undefined }]);
  const touched = index.apply([{ name: "node-0", node: testNode(0) }]);
  assert.deepEqual([...touched.keys], [testKey(1)], "gone in the meantime");
  assert.equal(index.peers()?.size, 0);
});

Deno.test("PeerIndex judges all anew when our own addresses or podCIDRs change, and not for our annotation", () => {
  const index = new PeerIndex(CONFIG, OWN_KEY);
  const both = ["192.0.2.1", "2001:db8::1"];
  index.replace([testNode(0), testNode(1, { internalIps: both })]);
  const change = (changes: Partial<NodeRecord>): readonly PublicKey[] => {
    const node = testNode(0, changes);
    return [...index.apply([{ name: node.name, node }]).keys];
  };
  const asked = index.asked;
  assert.deepEqual(change({ publicKey: OWN_KEY }), []);
  assert.equal(index.asked, asked);
  assert.deepEqual(change({ internalIps: ["2001:db8::9"] }), [testKey(1)]);
  assert.equal(index.peers()?.get(testKey(1))?.endpoint, "[2001:db8::1]:7838");
  assert.ok(index.ipv6Endpoints);
  assert.deepEqual(change({ podCidrs: ["10.0.1.0/24"] }), [testKey(1)]);
  assert.equal(index.peers()?.size, 0);
  assert.deepEqual([...index.findings.keys()], ["node-1"]);
});

Deno.test("PeerIndex remembers whose a key was", () => {
  const index = new PeerIndex(CONFIG, OWN_KEY);
  index.replace([testNode(0), testNode(1)]);
  const node = testNode(1, { publicKey: testKey(77) });
  const touched = index.apply([{ name: "node-1", node }]);
  assert.deepEqual(touched.keys, new Set([testKey(1), testKey(77)]));
  assert.equal(index.nodeOf(testKey(1)), "node-1");
  assert.equal(index.nodeOf(testKey(77)), "node-1");
});

Deno.test("PeerIndex settles one change among 5,000 Nodes without asking the others", () => {
  const config = { ...CONFIG, clusterCidrs: [parsePrefix("10.0.0.0/9")] };
  const index = new PeerIndex(config, OWN_KEY);
  const nodes = Array.from({ length: 5000 }, (_, n) => testNode(n));
  // One that claims half of all, and is the youngest: it must cost nothing either.
  const wide = testNode(6000, { podCidrs: ["10.0.0.0/10"], created: "2027" });
  index.replace([...nodes, wide]);
  const before = index.asked;
  index.apply([{
    name: "node-77",
    node: testNode(77, { internalIps: ["192.0.2.1"] }),
  }]);
  index.apply([{ name: "node-78", node: undefined }]);
  index.apply([{
    name: "node-79",
    node: testNode(79, { publicKey: testKey(80) }),
  }]);
  assert.ok(index.asked - before <= 8, `${index.asked - before} claims asked`);
});

function texts(finding: Finding | undefined): readonly string[] {
  return [...finding?.remarks ?? [], ...finding?.conflicts ?? []].map(
    ({ text }) => text,
  );
}

function isDeepEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
