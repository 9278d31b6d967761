import assert from "node:assert/strict";
import { parsePrefix } from "../../mod/core/address.ts";
import {
  type Candidate,
  candidateFrom,
  ownFrom,
  type Skip,
} from "../../mod/core/candidate.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import { hostileNode, testKey, testNode } from "../support/nodes.ts";
import { Random } from "../support/random.ts";

const CONFIG = {
  clusterCidrs: [parsePrefix("10.0.0.0/16"), parsePrefix("fd00::/48")],
  listenPort: 7838,
};
const OWN_KEY = testKey(100);
const SELF = testNode(100, {
  internalIps: ["192.0.2.100", "2001:db8::100"],
  podCidrs: ["10.0.100.0/24", "fd00:0:0:100::/64"],
});

function judge(
  changes: Partial<NodeRecord>,
  self: NodeRecord = SELF,
): Candidate | Skip {
  const own = ownFrom(self, OWN_KEY);
  return candidateFrom(testNode(1, changes), own, CONFIG);
}

Deno.test("candidateFrom() takes key, endpoint and podCIDRs of both families", () => {
  const podCidrs = ["fd00:0:0:1::/64", "10.0.1.0/24"];
  assert.deepEqual(judge({ podCidrs, internalIps: ["192.0.2.1"] }), {
    kind: "candidate",
    name: "node-1",
    uid: "uid-00001",
    created: "2026-01-01T00:00:01Z",
    publicKey: testKey(1),
    endpoint: "192.0.2.1:7838",
    endpointFamily: 4,
    prefixes: ["10.0.1.0/24", "fd00:0:0:1::/64"],
    remarks: [],
  });
});

Deno.test("candidateFrom() takes the endpoint of our own first family, else the other", () => {
  const both = ["2001:db8::1", "192.0.2.1"];
  const six = { ...SELF, internalIps: ["2001:db8::100", "192.0.2.100"] };
  const rows: [readonly string[], NodeRecord, string][] = [
    [both, SELF, "192.0.2.1:7838"],
    [both, six, "[2001:db8::1]:7838"],
    [["192.0.2.1"], six, "192.0.2.1:7838"],
    [["2001:DB8:0::1"], SELF, "[2001:db8::1]:7838"],
    [["127.0.0.1", "192.0.2.1"], SELF, "192.0.2.1:7838"],
    [["127.0.0.1", "2001:db8::1"], SELF, "[2001:db8::1]:7838"],
  ];
  for (const [internalIps, self, expected] of rows) {
    const judged = judge({ internalIps }, self);
    assert.ok(judged.kind === "candidate");
    assert.equal(judged.endpoint, expected);
  }
});

Deno.test("candidateFrom() skips a Node that has nothing to use, and says why", () => {
  const rows: [Partial<NodeRecord>, string, RegExp][] = [
    [{ publicKey: undefined }, "no-key", /has published no public key yet/],
    [{ publicKey: "" }, "bad-key", /not 44 characters of base64/],
    [{ publicKey: `${testKey(1)}\n` }, "bad-key", /base64/],
    [{ publicKey: `${"A".repeat(43)}=` }, "bad-key", /low order/],
    [{ publicKey: OWN_KEY }, "own-key", /this node's own public key/],
    [{ internalIps: [] }, "no-internal-ip", /has no InternalIP/],
    [{ internalIps: ["node"] }, "bad-endpoint", /"node", which is no address/],
    [{ internalIps: ["127.0.0.1"] }, "bad-endpoint", /loopback/],
    [{ internalIps: ["224.0.0.1"] }, "bad-endpoint", /multicast/],
    [{ internalIps: ["255.255.255.255"] }, "bad-endpoint", /broadcast/],
    [{ internalIps: ["0.0.0.0"] }, "bad-endpoint", /this network/],
    [{ internalIps: ["::"] }, "bad-endpoint", /unspecified/],
    [{ internalIps: ["fe80::1"] }, "bad-endpoint", /link-local/],
    [{ internalIps: ["::ffff:192.0.2.1"] }, "bad-endpoint", /no address/],
    [{ internalIps: ["192.0.2.100"] }, "bad-endpoint", /this node's own/],
    [
      { internalIps: ["10.0.3.4"] },
      "bad-endpoint",
      /inside the cluster CIDR 10\.0\.0\.0\/16/,
    ],
    [{ podCidrs: [] }, "no-pod-cidrs", /has no podCIDRs yet/],
    [{ podCidrs: ["10.0.1.0/24\n"] }, "bad-pod-cidr", /no prefix/],
    [{ podCidrs: ["::ffff:10.0.1.0/120"] }, "bad-pod-cidr", /no prefix/],
    [
      { podCidrs: ["0.0.0.0/0"] },
      "too-wide",
      /as wide as the cluster CIDR or wider/,
    ],
    [{ podCidrs: ["::/0"] }, "too-wide", /wider/],
    [{ podCidrs: ["10.0.0.0/16"] }, "too-wide", /as wide/],
    [
      { podCidrs: ["10.1.0.0/24"] },
      "outside-cluster-cidr",
      /outside the cluster CIDR/,
    ],
    [
      { podCidrs: ["10.0.100.0/24"] },
      "own-pod-cidr",
      /overlaps this node's own 10\.0\.100\.0\/24/,
    ],
    [{ podCidrs: ["10.0.100.128/25"] }, "own-pod-cidr", /own/],
    [{ podCidrs: ["10.0.0.0/17"] }, "own-pod-cidr", /own/],
    [
      { podCidrs: Array.from({ length: 17 }, (_, n) => `10.0.${n}.0/24`) },
      "too-many",
      /more than 16/,
    ],
    [{ name: 'x"\n' }, "bad-name", /"x\\"\\n" is no name/],
  ];
  for (const [changes, code, sentence] of rows) {
    const judged = judge({
      internalIps: ["192.0.2.1"],
      podCidrs: ["10.0.1.0/24"],
      ...changes,
    });
    assert.equal(judged.kind, "skip", JSON.stringify(changes));
    assert.ok(
      judged.kind === "skip" && judged.code === code,
      JSON.stringify(judged),
    );
    assert.match(judged.remarks[0]?.text ?? "", sentence);
  }
});

Deno.test("candidateFrom() leaves out a bad podCIDR and takes the others, canonical", () => {
  const podCidrs = [
    "10.0.1.7/24",
    "0.0.0.0/0",
    "10.0.1.0/25",
    "FD00:0:0:1:0::/64",
    "10.0.1.0/24",
  ];
  const judged = judge({ podCidrs });
  assert.ok(judged.kind === "candidate");
  assert.deepEqual(judged.prefixes, ["10.0.1.0/24", "fd00:0:0:1::/64"]);
  assert.deepEqual(judged.remarks.map(({ code }) => code), ["too-wide"]);
});

Deno.test("candidateFrom() never throws and never gives what I16 forbids", () => {
  const random = new Random(11);
  const own = ownFrom(SELF, OWN_KEY);
  for (let turn = 0; turn < 2000; turn++) {
    const judged = candidateFrom(hostileNode(random, 20), own, CONFIG);
    if (judged.kind === "skip") {
      assert.ok(judged.remarks.length > 0);
      continue;
    }
    for (const prefix of judged.prefixes) {
      assert.equal(prefix, parsePrefix(prefix));
      assert.match(prefix, /^(10\.0\.|fd00:)/);
      assert.ok(!CONFIG.clusterCidrs.includes(prefix));
    }
  }
});
