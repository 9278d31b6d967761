import assert from "node:assert/strict";
import { prove } from "./doctor.ts";
import { bringUp, labTest } from "./harness.ts";
import { runAgent } from "./look.ts";
import { LINK } from "./node.ts";

labTest(
  "doctor proves encryption on a healthy node, with and without its agent, and finds what leaves in clear",
  { nodes: 3, pods: [4, 6], underlay: [4] },
  async (lab) => {
    await bringUp(lab);
    const [node, other] = lab.nodes;
    assert.ok(node !== undefined && other !== undefined);
    const answer = await prove(node);
    const text = JSON.stringify(answer, null, 1);
    assert.equal(answer.proven, true, text);
    assert.match(answer.sentence, /^Proven: .* of 2 Nodes left encrypted/);
    assert.deepEqual(answer.clear, []);
    assert.equal(answer.peers.length, 4, text); // of each, IPv4 and IPv6
    for (const peer of answer.peers) {
      assert.equal(peer.sent, 10, text);
      assert.equal(peer.inTunnel, 10, text);
      assert.ok(peer.encrypted >= 10, text);
      assert.equal(peer.device, "eth0", text);
    }
    await node.stopAgent();
    const alone = await prove(node, "--peer", other.name);
    assert.deepEqual(
      [alone.proven, alone.peers.map((peer) => peer.node)],
      [true, [other.name, other.name]],
      JSON.stringify(alone, null, 1),
    );
    // Another route, and nothing that guards the pods' packets.
    const [prefix = ""] = other.plan.podCidrs;
    const [address = ""] = other.plan.internalIps;
    await node.space.sh(
      `ip route add ${prefix} via ${address} dev eth0; nft delete table inet ${LINK}`,
    );
    const leaking = await prove(node, "--peer", other.name);
    const leak = JSON.stringify(leaking, null, 1);
    assert.equal(leaking.proven, false, leak);
    assert.match(
      leaking.sentence,
      /^Not proven: \d+ packets .* left in clear by eth0/,
    );
    assert.ok(
      leaking.clear.some(({ ours, packets, what }) =>
        ours && packets === 10 && what.startsWith("UDP ")
      ),
      leak,
    );
    const [four, six] = leaking.peers;
    assert.deepEqual([four?.inTunnel, four?.encrypted], [0, 0], leak);
    assert.equal(six?.encrypted, 10, leak);
  },
);

labTest(
  "doctor proves nothing where nothing arrives, and says in one sentence why not",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const [node, other] = lab.nodes;
    assert.ok(node !== undefined && other !== undefined);
    const flags = ["--prove-encryption", "--peer", "nobody"];
    const wrong = await runAgent(node, node.agentCommand(flags, "doctor"));
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /no peer has that name; there are n2/);
    const blind = await node.space.run([
      ...["setpriv", "--bounding-set=-net_raw", ...node.settings.agent],
      ...["doctor", "--prove-encryption"],
    ]);
    assert.equal(blind.code, 1, blind.stderr);
    assert.match(
      blind.stderr,
      /^clusternet: Cannot prove encryption: [^\n]*Operation not permitted[^\n]* CAP_NET_RAW\n$/,
    );
    const [key = ""] = await node.peers();
    // WireGuard without a session keeps what it is given.
    await node.stopAgent();
    await other.stopAgent();
    await other.space.sh(`ip link set ${LINK} down`);
    const [prefix = ""] = other.plan.podCidrs;
    await node.space.sh(`wg set ${LINK} peer ${key} remove
wg set ${LINK} peer ${key} allowed-ips ${prefix} endpoint 192.0.2.1:7838`);
    const silent = await prove(node);
    assert.equal(silent.proven, false);
    assert.match(silent.sentence, /WireGuard has no session with it/);
    await node.space.sh(`ip link set ${LINK} down`);
    const down = await runAgent(
      node,
      node.agentCommand(["--prove-encryption"], "doctor"),
    );
    assert.equal(down.code, 1);
    assert.match(
      `${down.stdout}${down.stderr}`,
      /^(clusternet: Cannot prove|.*\n?Not proven: )/,
    );
  },
);
