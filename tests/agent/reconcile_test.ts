import assert from "node:assert/strict";
import { type LinkAddress, parsePrefix } from "../../mod/core/address.ts";
import { NOTHING_FOUND } from "../../mod/core/cni_check.ts";
import { BARE_MS } from "../../mod/core/desired.ts";
import { ERRNO, FatalError } from "../../mod/core/errors.ts";
import { textsOf } from "../../mod/core/problem.ts";
import { type Bench, CONFIG, keyOf, listed, makeBench, node } from "./bench.ts";

const LINK = CONFIG.interface;

async function converged(count: number): Promise<Bench> {
  const bench = await makeBench();
  listed(bench, count);
  const report = await bench.reconciler.turn("full");
  assert.deepEqual(report.problems, []);
  assert(report.clean);
  bench.kernel.forgetWrites();
  return bench;
}

async function peersOf(bench: Bench): Promise<Record<string, string>> {
  const { peers } = await bench.kernel.wireguard.read(LINK);
  return Object.fromEntries(
    [...peers.values()].map((peer) => [
      `${bench.nodes.nodeOf(peer.publicKey)} ${peer.endpoint}`,
      peer.allowedIps.join(),
    ]),
  );
}

Deno.test("the first turn needs no Nodes for link, key and the routes beneath", async () => {
  const bench = await makeBench();
  const report = await bench.reconciler.turn("full");
  assert(report.clean);
  const { device } = await bench.kernel.wireguard.read(LINK);
  assert.deepEqual(device, { publicKey: bench.publicKey, listenPort: 7838 });
  const routes = await bench.kernel.routes.routes(CONFIG.clusterCidrs);
  assert.deepEqual(routes.map((route) => route.type), ["unreachable"]);
  assert.equal(bench.conflist.writes, 0);
  assert(bench.reconciler.verified);
});

Deno.test("nothing is taken away before the first complete list", async () => {
  const before = await converged(4);
  const bench = await before.restart();
  const report = await bench.reconciler.turn("full");
  assert(report.clean);
  assert.deepEqual(bench.kernel.writes, []);
  // One event is no list.
  bench.nodes.upsert(node(1, { publicKey: bench.publicKey }));
  bench.nodes.upsert(node(2));
  await bench.reconciler.turn("full");
  const { peers } = await bench.kernel.wireguard.read(LINK);
  assert.equal(peers.size, 3);
});

Deno.test("a turn with all Nodes makes each a peer, and the next sends nothing", async () => {
  const bench = await converged(4);
  assert.deepEqual(await peersOf(bench), {
    "n2 192.168.0.2:7838": "10.0.2.0/24",
    "n3 192.168.0.3:7838": "10.0.3.0/24",
    "n4 192.168.0.4:7838": "10.0.4.0/24",
  });
  assert.equal(bench.conflist.writes, 1);
  const report = await bench.reconciler.turn("full");
  assert.deepEqual(report, {
    scope: "full",
    applied: 0,
    newLink: false,
    problems: [],
    clean: true,
    network: { nodeUid: "uid-1", outages: [] },
  });
  assert.deepEqual(bench.kernel.writes, []);
  assert.equal(bench.conflist.writes, 1);
});

Deno.test("a restart adopts what is there and sends nothing", async () => {
  const before = await converged(4);
  const bench = await before.restart();
  listed(bench, 4);
  const report = await bench.reconciler.turn("full");
  assert.equal(report.applied, 0);
  assert.deepEqual(bench.kernel.writes, []);
});

Deno.test("a Node event reads nothing and changes one peer", async () => {
  const bench = await converged(50);
  let reads = 0;
  bench.kernel.inject({
    errno: ERRNO.EIO,
    times: Infinity,
    on: (operation) => {
      if (operation.kind === "read") reads++;
      return false;
    },
  });
  bench.nodes.upsert(node(7, { internalIps: ["192.168.9.9"] }));
  const report = await bench.reconciler.turn("peers");
  assert.equal(report.applied, 1);
  assert.equal(bench.kernel.writes.length, 1);
  assert.equal(reads, 0);
  bench.kernel.heal();
  assert.equal((await peersOf(bench))["n7 192.168.9.9:7838"], "10.0.7.0/24");
  assert.equal((await bench.reconciler.turn("full")).applied, 0);
});

Deno.test("partial turns end where a full one would", async () => {
  const bench = await converged(10);
  bench.nodes.remove("n3");
  await bench.reconciler.turn("peers");
  bench.nodes.upsert(node(4, { publicKey: keyOf(400) }));
  await bench.reconciler.turn("peers");
  bench.nodes.upsert(node(11));
  // A younger Node claims what n5 has, and then what n3 had.
  bench.nodes.upsert(node(12, { podCidrs: ["10.0.5.0/24"] }));
  await bench.reconciler.turn("peers");
  bench.nodes.upsert(node(12, { podCidrs: ["10.0.3.0/24"] }));
  await bench.reconciler.turn("peers");
  bench.kernel.forgetWrites();
  const report = await bench.reconciler.turn("full");
  assert.deepEqual(bench.kernel.writes, []);
  assert(report.clean);
  const peers = await peersOf(bench);
  assert.equal(Object.keys(peers).length, 10);
  assert.equal(peers["n12 192.168.0.12:7838"], "10.0.3.0/24");
});

Deno.test("a Node that comes during a turn is no complaint, and comes next", async () => {
  const bench = await makeBench();
  listed(bench, 3);
  let reads = 0;
  bench.kernel.inject({
    errno: ERRNO.EIO,
    times: Infinity,
    on: ({ text }) => {
      if (text.startsWith("read device") && ++reads === 1) {
        bench.nodes.upsert(node(9));
        bench.nodes.remove("n2");
      }
      return false;
    },
  });
  const report = await bench.reconciler.turn("full");
  assert.equal(reads, 1, "a link made in this turn is read once, afterwards");
  assert.deepEqual(report.problems, []);
  assert(report.clean);
  const second = await bench.reconciler.turn("peers");
  assert.deepEqual([second.scope, second.applied], ["peers", 2]);
  assert.deepEqual(Object.values(await peersOf(bench)), [
    "10.0.3.0/24",
    "10.0.9.0/24",
  ]);
});

Deno.test("a partial turn knows what the one before it has done", async () => {
  const bench = await converged(5);
  const there = node(3);
  for (const changed of [node(3, { internalIps: ["192.168.9.9"] }), there]) {
    bench.nodes.upsert(changed);
    const report = await bench.reconciler.turn("peers");
    assert.equal(report.applied, 1);
  }
  bench.nodes.remove("n3");
  await bench.reconciler.turn("peers");
  bench.nodes.upsert(there);
  assert.equal((await bench.reconciler.turn("peers")).applied, 1);
  assert.equal((await bench.reconciler.turn("full")).applied, 0);
});

Deno.test("what was changed by hand is repaired by the next full turn", async () => {
  const bench = await converged(4);
  const { hand } = bench.kernel;
  hand.removePeer(LINK, keyOf(2));
  hand.setPeer(LINK, {
    publicKey: keyOf(99),
    allowedIps: [parsePrefix("10.0.3.0/24")],
  });
  hand.editLink(LINK, { mtu: 1280 });
  hand.removeRoutes(() => true);
  hand.setSysctl("net/ipv4/ip_forward", "0");
  bench.conflist.files.clear();
  const report = await bench.reconciler.turn("full");
  assert.deepEqual(report.problems, []);
  assert(report.clean);
  assert.equal(Object.keys(await peersOf(bench)).length, 3);
  assert.equal(await bench.kernel.sysctl.read("net/ipv4/ip_forward"), "1");
  assert.equal(bench.conflist.files.size, 1);
});

Deno.test("a foreign address on our link goes, host bits and all", async () => {
  const bench = await converged(2);
  const foreign = "10.1.2.3/24" as LinkAddress;
  bench.kernel.hand.addAddress(LINK, foreign);
  const report = await bench.reconciler.turn("network");
  assert.deepEqual(report.problems, []);
  assert.deepEqual(bench.kernel.writes, [
    `remove-address ${LINK} ${foreign}`,
  ]);
});

Deno.test("a network event repairs routes without a dump of the peers", async () => {
  const bench = await converged(4);
  let dumps = 0;
  bench.kernel.inject({
    errno: ERRNO.EIO,
    times: Infinity,
    on: (operation) => {
      if (operation.text.startsWith("read device")) dumps++;
      return false;
    },
  });
  assert((await bench.reconciler.turn("network")).clean);
  assert.equal(dumps, 0);
  bench.kernel.hand.removeRoutes((route) => route.type === "unicast");
  const report = await bench.reconciler.turn("network");
  assert.equal(report.applied, 1);
  assert(report.clean);
});

Deno.test("a link that was deleted is made anew, with all its peers", async () => {
  const bench = await converged(4);
  bench.kernel.hand.deleteLink(LINK);
  const report = await bench.reconciler.turn("network");
  assert.deepEqual(report.problems, []);
  assert(report.clean);
  assert.equal(Object.keys(await peersOf(bench)).length, 3);
});

Deno.test("a foreign link of our name is refused and not touched", async () => {
  const rows: [(bench: Bench) => void, RegExp][] = [
    [({ kernel }) => kernel.hand.addLink(LINK, "dummy"), /kind dummy/],
    [({ kernel }) => {
      kernel.hand.addLink(LINK, "wireguard");
      kernel.hand.editLink(LINK, { alias: "vpn" });
    }, /alias.*vpn/],
    [({ kernel }) => {
      kernel.hand.addLink(LINK, "wireguard");
      kernel.hand.setDeviceKey(LINK, keyOf(5));
    }, /another private key/],
  ];
  for (const [prepare, sentence] of rows) {
    const bench = await makeBench();
    prepare(bench);
    bench.kernel.forgetWrites();
    await assert.rejects(bench.reconciler.turn("full"), (error: unknown) => {
      assert(error instanceof FatalError);
      assert.equal(error.exitCode, 1);
      assert.match(error.message, sentence);
      return true;
    });
    assert.deepEqual(bench.kernel.writes, []);
  }
});

Deno.test("a busy port is a sentence, keeps pods away, and mends itself", async () => {
  const bench = await makeBench();
  const free = bench.kernel.hand.occupyPort(7838);
  listed(bench, 3);
  const report = await bench.reconciler.turn("full");
  assert(!report.clean);
  assert.match(textsOf(report.problems).join("\n"), /ss -ulpn/);
  assert.equal(bench.conflist.writes, 0);
  free();
  const second = await bench.reconciler.turn("peers");
  assert.deepEqual(second.problems, []);
  assert.equal(bench.conflist.writes, 1);
});

Deno.test("one failed step does not hold up the rest", async () => {
  const bench = await makeBench();
  listed(bench, 3);
  bench.kernel.inject({
    errno: ERRNO.EPERM,
    on: ({ kind, text }) => kind === "write" && text.includes("ip_forward"),
  });
  const report = await bench.reconciler.turn("full");
  assert(!report.clean);
  assert.equal(report.problems.length, 1);
  assert.match(report.problems[0]?.text ?? "", /CAP_NET_ADMIN/);
  assert.equal(Object.keys(await peersOf(bench)).length, 2);
  assert.equal(bench.conflist.writes, 0);
});

Deno.test("an interrupted dump adds and repairs, never removes", async () => {
  const bench = await converged(4);
  bench.kernel.wireguard.interruptReads(Infinity);
  bench.nodes.remove("n2");
  bench.nodes.upsert(node(5));
  const report = await bench.reconciler.turn("full");
  assert(!report.clean);
  bench.kernel.wireguard.interruptReads(0);
  assert.equal((await bench.kernel.wireguard.read(LINK)).peers.size, 4);
  assert((await bench.reconciler.turn("full")).clean);
  assert.equal((await bench.kernel.wireguard.read(LINK)).peers.size, 3);
});

Deno.test("without its program a userspace link is a sentence, and nothing leaves in clear", async () => {
  const bench = await makeBench({ kind: "userspace" });
  listed(bench, 3);
  const report = await bench.reconciler.turn("full");
  assert.match(report.problems[0]?.text ?? "", /wireguard-go clusternet/);
  assert.equal(bench.conflist.writes, 0);
  const routes = await bench.kernel.routes.routes(CONFIG.clusterCidrs);
  assert.deepEqual(routes.map((route) => route.type), ["unreachable"]);
  bench.kernel.hand.startProgram(LINK);
  const second = await bench.reconciler.turn("network");
  assert.deepEqual(second.problems, []);
  assert.equal(Object.keys(await peersOf(bench)).length, 2);
});

Deno.test("our own Node made anew with another podCIDR moves the gateway", async () => {
  const bench = await converged(3);
  bench.nodes.upsert(node(1, {
    uid: "uid-new",
    publicKey: bench.publicKey,
    podCidrs: ["10.0.77.0/24"],
  }));
  const report = await bench.reconciler.turn("peers");
  assert.equal(report.scope, "full");
  assert.deepEqual(report.problems, []);
  assert.deepEqual(await bench.kernel.routes.addresses(LINK), [
    "10.0.77.1/32",
  ]);
  assert.match([...bench.conflist.files.values()].join(), /10\.0\.77\.0\/24/);
});

Deno.test("the first IPv6 endpoint lowers the MTU", async () => {
  const bench = await converged(3);
  const before = (await bench.kernel.routes.link(LINK))?.mtu ?? 0;
  bench.nodes.upsert(node(9, { internalIps: ["2001:db8::9"] }));
  await bench.reconciler.turn("peers");
  assert.equal((await bench.kernel.routes.link(LINK))?.mtu, before - 20);
});

Deno.test("an own InternalIP inside the cluster CIDR is refused before the first write", async () => {
  const bench = await makeBench();
  bench.nodes.replace([
    node(1, { publicKey: bench.publicKey, internalIps: ["10.0.200.1"] }),
    node(2),
  ]);
  await assert.rejects(bench.reconciler.turn("full"), (error: unknown) => {
    assert(error instanceof FatalError);
    assert.match(error.message, /10\.0\.200\.1, this Node's InternalIP/);
    return true;
  });
  assert.deepEqual(bench.kernel.writes, []);
});

Deno.test("nothing is said of the network before our own Node is known", async () => {
  const bench = await makeBench();
  assert.equal((await bench.reconciler.turn("full")).network, undefined);
  listed(bench, 2);
  const report = await bench.reconciler.turn("full");
  assert.deepEqual(report.network, { nodeUid: "uid-1", outages: [] });
  const partial = await bench.reconciler.turn("peers");
  assert.deepEqual(partial.network, report.network);
});

Deno.test("what all pods lack is an outage, what one peer lacks is not", async () => {
  const bench = await converged(3);
  bench.kernel.inject({
    errno: ERRNO.EINVAL,
    times: Infinity,
    on: ({ text }) => text.startsWith("set-peer"),
  });
  bench.nodes.upsert(node(9));
  const refused = await bench.reconciler.turn("full");
  assert.notDeepEqual(refused.problems, []);
  assert.deepEqual(refused.network?.outages, []);
  bench.kernel.heal();
  await bench.reconciler.turn("full");
  bench.nodes.upsert(node(1, { publicKey: bench.publicKey, podCidrs: [] }));
  const { network, problems } = await bench.reconciler.turn("peers");
  assert.deepEqual(network, { nodeUid: "uid-1", outages: problems });
  assert.match(network?.outages[0]?.text ?? "", /has no podCIDRs/);
});

Deno.test("what is written on our own Node about the network makes no turn a full one", async () => {
  const bench = await converged(3);
  const self = node(1, { publicKey: bench.publicKey });
  const networkCondition = { status: "False", reason: "r", message: "m" };
  bench.rings.length = 0;
  bench.nodes.upsert({ ...self, networkCondition });
  assert.deepEqual(bench.rings, ["self"]);
  assert.equal((await bench.reconciler.turn("peers")).scope, "peers");
  bench.nodes.upsert({ ...self, networkCondition, internalIps: ["192.0.2.9"] });
  assert.deepEqual(bench.rings, ["self", "self", "node"]);
  assert.equal((await bench.reconciler.turn("peers")).scope, "full");
});

Deno.test("a table that was flushed, deleted or edited is repaired without a dump of the peers first", async () => {
  const bench = await converged(3);
  const { hand, tables } = bench.kernel;
  const whole = await tables.read(LINK);
  assert.ok(whole !== null);
  const deeds: Readonly<Record<string, () => void>> = {
    flushed: () => hand.flushRuleset(),
    "switched off": () => hand.setTable({ ...whole, dormant: true }),
    "a chain less": () =>
      hand.setTable({ ...whole, chains: whole.chains.slice(1) }),
  };
  for (const [what, deed] of Object.entries(deeds)) {
    deed();
    bench.kernel.forgetWrites();
    const report = await bench.reconciler.turn("network");
    assert.deepEqual(report.problems, [], what);
    assert.deepEqual(bench.kernel.writes, [`replace-table ${LINK}`], what);
    assert.deepEqual(await tables.read(LINK), whole, what);
    // What that rang for finds nothing.
    bench.kernel.forgetWrites();
    assert.equal((await bench.reconciler.turn("network")).applied, 0, what);
    assert.deepEqual(bench.kernel.writes, [], what);
  }
});

Deno.test("before our podCIDRs are known no table is made, and one that is there stays", async () => {
  const before = await converged(2);
  const bench = await before.restart();
  const table = await bench.kernel.tables.read(LINK);
  await bench.reconciler.turn("full");
  assert.deepEqual(await bench.kernel.tables.read(LINK), table);
  const empty = await makeBench();
  await empty.reconciler.turn("full");
  assert.equal(await empty.kernel.tables.read(LINK), null);
});

Deno.test("a kernel without nf_tables costs the table, and one sentence says what to do", async () => {
  const bench = await makeBench({ nftables: false });
  listed(bench, 3);
  const report = await bench.reconciler.turn("full");
  assert.equal(report.problems.length, 1);
  assert.match(
    report.problems[0]?.text ?? "",
    /^Cannot replace table clusternet: EOPNOTSUPP; this kernel lacks nf_tables or a part of it, `modprobe -a /,
  );
  assert.equal(Object.keys(await peersOf(bench)).length, 2);
  assert.equal(bench.conflist.writes, 1, "pods may start");
  const again = await bench.reconciler.turn("full");
  assert.deepEqual(again.problems, report.problems);
  assert.equal(bench.conflist.writes, 1);
});

Deno.test("a table that cannot be set for another reason keeps pods from starting", async () => {
  const bench = await makeBench();
  listed(bench, 3);
  bench.kernel.inject({
    errno: ERRNO.ENOMEM,
    on: ({ text }) => text.startsWith("replace-table"),
  });
  await bench.reconciler.turn("full");
  assert.equal(bench.conflist.writes, 0);
  await bench.reconciler.turn("full");
  assert.equal(bench.conflist.writes, 1);
});

Deno.test("a firewall that drops what is forwarded is told of once, and again when it is back", async () => {
  const bench = await converged(2);
  const told = (): number =>
    bench.log.messages("warn").filter((text) => text.includes("chain FORWARD"))
      .length;
  bench.kernel.hand.setForwardDrops([{ family: 4, accepts: [] }]);
  for (let n = 0; n < 3; n++) {
    const { problems } = await bench.reconciler.turn("full");
    assert.deepEqual(problems, []);
  }
  assert.equal(told(), 1);
  bench.kernel.hand.setForwardDrops([]);
  await bench.reconciler.turn("full");
  bench.kernel.hand.setForwardDrops([{ family: 4, accepts: [] }]);
  await bench.reconciler.turn("full");
  assert.equal(told(), 2);
});

Deno.test("missing CNI plugins are a problem and an outage, and change nothing that stands", async () => {
  const bench = await converged(3);
  bench.cni.found = { ...NOTHING_FOUND, missing: ["ptp"] };
  const report = await bench.reconciler.turn("full");
  assert.match(
    textsOf(report.problems).join(),
    /^Cannot find the CNI plugin ptp in /,
  );
  assert.deepEqual(report.network?.outages, report.problems);
  assert.deepEqual(bench.kernel.writes, []);
  assert.equal(bench.conflist.writes, 1);
  // Turns in between look at other things, and say the same.
  for (const scope of ["network", "peers"] as const) {
    const { problems, network } = await bench.reconciler.turn(scope);
    assert.deepEqual(problems, report.problems);
    assert.deepEqual(network?.outages, report.problems);
  }
  assert.equal(bench.cni.looks, 2, "in full turns alone");
  bench.cni.found = NOTHING_FOUND;
  const after = await bench.reconciler.turn("full");
  assert.deepEqual([after.problems, after.network?.outages], [[], []]);
});

Deno.test("the first configuration is written where plugins are missing: they may be elsewhere", async () => {
  const bench = await makeBench();
  listed(bench, 1);
  bench.cni.found = { ...NOTHING_FOUND, missing: ["ptp"] };
  const report = await bench.reconciler.turn("full");
  assert.match(
    textsOf(report.problems).join(),
    /^Cannot find the CNI plugin ptp/,
  );
  assert.equal(bench.conflist.writes, 1);
});

Deno.test("nobody looks at the directories of CNI where no configuration is ours", async () => {
  const bench = await makeBench({ config: { cniConfFile: "" } });
  listed(bench, 1);
  bench.cni.found = { ...NOTHING_FOUND, missing: ["ptp"] };
  assert.deepEqual((await bench.reconciler.turn("full")).problems, []);
  assert.equal(bench.cni.looks, 0);
});

Deno.test("Multus in front of ours is worth one line", async () => {
  const bench = await converged(1);
  const path = "/etc/cni/net.d/00-multus.conf";
  const network = { name: "m", plugins: ["multus"], delegates: true };
  bench.cni.found = { ...NOTHING_FOUND, earlier: [{ path, network }] };
  const lines = (): number =>
    bench.log.messages().filter((line) => line.includes(path)).length;
  for (let turn = 0; turn < 3; turn++) {
    assert.deepEqual((await bench.reconciler.turn("full")).problems, []);
  }
  assert.equal(lines(), 1);
});

Deno.test("a Node without podCIDRs is told as a matter of seconds first, then with the flags", async () => {
  const bench = await makeBench();
  const bare = node(1, { publicKey: bench.publicKey, podCidrs: [] });
  bench.nodes.replace([bare]);
  const said = async (): Promise<string> =>
    textsOf((await bench.reconciler.turn("full")).problems).join();
  assert.match(await said(), /has no podCIDRs yet: .* within seconds$/);
  await bench.clock.advance(BARE_MS);
  assert.match(
    await said(),
    /^Own Node n1 has no podCIDRs: run kube-controller-manager with --allocate-node-cidrs --cluster-cidr=10\.0\.0\.0\/16;/,
  );
  bench.nodes.upsert({ ...bare, podCidrs: ["10.0.1.0/24"] });
  assert.equal(await said(), "");
  // Another Node of the name begins anew.
  bench.nodes.upsert({ ...bare, uid: "uid-2" });
  assert.match(await said(), /within seconds$/);
});

Deno.test("what is left out of the own Node's podCIDRs is worth one line", async () => {
  const bench = await makeBench();
  const podCidrs = ["10.0.1.0/24", "fd00:0:0:1::/64"];
  bench.nodes.replace([node(1, { publicKey: bench.publicKey, podCidrs })]);
  for (let turn = 0; turn < 2; turn++) {
    assert.deepEqual((await bench.reconciler.turn("full")).problems, []);
  }
  const lines = bench.log.messages().filter((line) =>
    line.includes("no --cluster-cidr is IPv6")
  );
  assert.equal(lines.length, 1);
});
