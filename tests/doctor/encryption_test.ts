import assert from "node:assert/strict";
import {
  type ClearPackets,
  type PeerProof,
  type Proof,
  proofText,
  verdict,
} from "../../mod/doctor/encryption.ts";

const PEER: PeerProof = {
  node: "n2",
  endpoint: "192.0.2.2:7838",
  address: "10.0.2.1",
  sent: 10,
  inTunnel: 10,
  encrypted: 10,
  device: "eth0",
  failure: "",
};

const LEAK: ClearPackets = {
  device: "eth1",
  what: "UDP 10.0.1.1 > 10.0.2.1",
  packets: 7,
  ours: true,
};

function proof(
  { peer = {}, ...rest }: Partial<Proof> & { readonly peer?: object },
): Proof {
  return {
    seconds: 0.2,
    ranges: ["10.0.0.0/16"],
    devices: ["eth0", "eth1"],
    peers: [{ ...PEER, ...peer }],
    clear: [],
    unseen: 0,
    ...rest,
  };
}

const ROWS: readonly (readonly [string, Proof, boolean, RegExp])[] = [
  ["all that was sent", proof({}), true, /^Proven: .* 1 Node left encrypted/],
  [
    "more than was sent",
    proof({ peer: { encrypted: 12 } }),
    true,
    /^Proven: /,
  ],
  [
    "a leak, though all of ours were encrypted",
    proof({ clear: [{ ...LEAK, ours: false }] }),
    false,
    /^Not proven: 7 packets .* left in clear by eth1; /,
  ],
  ["no peer", proof({ peers: [] }), false, /there is no peer to send to/],
  [
    "a peer that cannot be sent to",
    proof({ peer: { sent: 0, failure: "Network is unreachable" } }),
    false,
    /n2 could not be sent to \(Network is unreachable\)/,
  ],
  [
    "what went elsewhere, unseen",
    proof({ peer: { inTunnel: 3 } }),
    false,
    /of 10 packets to n2 only 3 went into the tunnel/,
  ],
  [
    "no session",
    proof({ peer: { encrypted: 0, device: "" } }),
    false,
    /WireGuard has no session with it/,
  ],
  [
    "a few that did not leave in time",
    proof({ peer: { encrypted: 9 } }),
    false,
    /only 9 left; .*less busy/,
  ],
  [
    "packets that nobody looked at",
    proof({ unseen: 5 }),
    false,
    /5 packets passed too fast/,
  ],
];

for (const [what, one, proven, says] of ROWS) {
  Deno.test(`a proof with ${what} is ${proven ? "one" : "none"}`, () => {
    const found = verdict(one);
    assert.equal(found.proven, proven);
    assert.match(found.sentence, says);
  });
}

Deno.test("proofText() has a row for each peer and each kind in clear, then the verdict", () => {
  const text = proofText(proof({ clear: [LEAK] }));
  assert.equal(
    text,
    `n2 (10.0.2.1, endpoint 192.0.2.2:7838): 10 packets sent, 10 seen in the tunnel, 10 left by eth0 as WireGuard
IN CLEAR by eth1: UDP 10.0.1.1 > 10.0.2.1, 7 packets, sent for this proof
Not proven: 7 packets for other Nodes' pods left in clear by eth1; \`clusternet doctor --only route-foreign,route-missing,rule-overrides,nft-table\` tells why.`,
  );
});
