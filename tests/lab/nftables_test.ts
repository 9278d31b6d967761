/**
 * What our nftables table does to packets: nodes with real agents, pods by the
 * real CNI plugins, and beside them a machine that plays the internet: it has
 * no route to pods.
 *
 * @module
 */

import assert from "node:assert/strict";
import { findCommand } from "../support/packages.ts";
import { type Caller, echoesArriving } from "./echoes.ts";
import { Child } from "./exec.ts";
import {
  addPods,
  bringUp,
  eventually,
  labTest,
  patience,
  pause,
  startCapture,
} from "./harness.ts";
import type { Lab, LabOptions } from "./lab.ts";
import { firstNode, ready } from "./look.ts";
import type { LabNode, Pod } from "./node.ts";
import { type Family, familyOf } from "./plan.ts";
import type { Space } from "./space.ts";

const BOTH: Partial<LabOptions> = {
  nodes: 2,
  underlay: [4, 6],
  pods: [4, 6],
};

const FAMILIES: readonly Family[] = [4, 6];

/** RFC 5737, RFC 3849: documentation. */
const INTERNET: Readonly<Record<Family, string>> = {
  4: "203.0.113.1",
  6: "2001:db8:ffff::1",
};

/** Of a Service: nobody has these addresses. */
const CLUSTER_IP: Readonly<Record<Family, string>> = {
  4: "10.96.0.10",
  6: "fd00:96::10",
};

const PORT = 8000;

/** Tells each caller its address as seen from here, and keeps the connection open. */
const WHO_AM_I = `
const listener = Deno.listen({ hostname: "::", port: ${PORT} });
console.log("listening");
for await (const connection of listener) {
  const { hostname } = connection.remoteAddr;
  const line = hostname.replace("::ffff:", "") + "\\n";
  connection.write(new TextEncoder().encode(line)).catch(() => {});
}`;

/** Where a program runs: a space, or a pod in it. */
interface Place {
  readonly space: Space;
  readonly pod?: string;
}

function nftTest(
  name: string,
  options: Partial<LabOptions>,
  body: (lab: Lab) => Promise<void>,
): void {
  if (findCommand("nft") !== undefined) return labTest(name, options, body);
  console.log(`SKIPPED ${name}: needs nft`);
}

function podPlace({ node, name }: Pod): Place {
  return { space: node.space, pod: name };
}

async function listen(
  lab: Lab,
  { space, pod }: Place,
): Promise<AsyncDisposable> {
  const child = new Child(
    "a server",
    space.command([Deno.execPath(), "eval", WHO_AM_I], pod),
    { env: lab.settings.env },
  );
  await child.line(/^listening$/, { withinMs: patience(10_000) });
  return {
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await child.stop("SIGKILL");
    },
  };
}

/** The caller's address as the server sees it; "" where there is no answer. */
async function seenBy(
  { space, pod }: Place,
  address: string,
): Promise<string> {
  const script = `exec 3<>/dev/tcp/${address}/${PORT} && head -n 1 <&3`;
  const command = ["timeout", "2", "bash", "-c", script];
  const { stdout } = await space.run(command, { pod });
  return stdout.trim();
}

/** Beyond the nodes' gateway. */
async function startInternet(lab: Lab): Promise<AsyncDisposable> {
  for (const family of lab.settings.plan.underlay) {
    const bits = family === 4 ? 32 : 128;
    await lab.underlay.sh(
      `ip address add ${INTERNET[family]}/${bits} dev lo`,
    );
  }
  return await listen(lab, { space: lab.underlay });
}

function addressOf(
  { addresses }: { readonly addresses: readonly string[] },
  family: Family,
): string {
  const found = addresses.find((one) => familyOf(one) === family);
  assert.ok(found !== undefined);
  return found;
}

function internalIp(node: LabNode, family: Family): string {
  return addressOf({ addresses: node.plan.internalIps }, family);
}

/** "10.0.1.0/24" → "10.0.1.1" */
function gatewayOf(node: LabNode, family: Family): string {
  const [cidr = ""] = node.plan.podCidrs.filter((one) =>
    familyOf(one) === family
  );
  return cidr.replace("0/24", "1").replace("::/64", "::1");
}

async function pods(lab: Lab): Promise<readonly [Pod, Pod]> {
  await addPods(lab, 1);
  const [a, b] = lab.nodes.map((node) => node.pods[0]);
  assert.ok(a !== undefined && b !== undefined);
  for (const pod of [a, b]) await reachesGateway(pod);
  return [a, b];
}

/** The kernel looks for duplicates of the gateway's IPv6 address on each new veth, for a second or two. */
async function reachesGateway({ node, name, addresses }: Pod): Promise<void> {
  for (const family of new Set(addresses.map(familyOf))) {
    const ping = ["ping", "-n", "-q", "-c", "1", "-W", "1"];
    const command = [...ping, gatewayOf(node, family)];
    await eventually(`${name} reaches its gateway`, async () => {
      const { code } = await node.space.run(command, { pod: name });
      return code === 0 ? true : undefined;
    });
  }
}

/** How many of three echo requests arrive that are sent with a source. */
async function arrives(
  to: Pod,
  from: Place,
  { source, family }: { readonly source: string; readonly family: Family },
): Promise<number> {
  return await echoesArriving(caller(from), caller(podPlace(to)), {
    ...{ source, family, to: addressOf(to, family) },
  });
}

function caller({ space, pod }: Place): Caller {
  return (command) => space.run(command, { pod });
}

nftTest(
  "what leaves the cluster is masqueraded, traffic between pods never, and Services work from the host",
  BOTH,
  async (lab) => {
    await bringUp(lab);
    await using _internet = await startInternet(lab);
    const [pod, remote] = await pods(lab);
    await using _server = await listen(lab, podPlace(remote));
    const { node } = pod;
    await using _host = await listen(lab, { space: node.space });
    await using _other = await listen(lab, { space: remote.node.space });
    await serviceBehind(node, remote);
    for (const family of FAMILIES) {
      const own = addressOf(pod, family);
      const far = addressOf(remote, family);
      const gateway = gatewayOf(node, family);
      const rows: readonly [string, Place, string, string][] = [
        ["outside", podPlace(pod), INTERNET[family], internalIp(node, family)],
        ["remote pod", podPlace(pod), far, own],
        ["own host", podPlace(pod), internalIp(node, family), own],
        // Outside the cluster CIDR: in clear, and so in the name of the node.
        [
          "other host",
          podPlace(pod),
          internalIp(remote.node, family),
          internalIp(node, family),
        ],
        ["Service", podPlace(pod), CLUSTER_IP[family], own],
        ["host to remote pod", node, far, gateway],
        ["host to Service", node, CLUSTER_IP[family], gateway],
        ["host to outside", node, INTERNET[family], internalIp(node, family)],
      ];
      for (const [what, from, to, expected] of rows) {
        assert.equal(await seenBy(from, to), expected, `${what} ${to}`);
      }
    }
    // Nobody else's, and once is enough.
    const sets = node.agent?.lines.filter((line) => line.includes(" nft '"));
    assert.equal(sets?.length, 1);
  },
);

/** As kube-proxy makes it, without its marks: for what the host and what pods send. */
async function serviceBehind(node: LabNode, pod: Pod): Promise<void> {
  const rules = FAMILIES.map((family) => {
    const ip = family === 4 ? "ip" : "ip6";
    return `meta nfproto ipv${family} ${ip} daddr ${
      CLUSTER_IP[family]
    } dnat ${ip} to ${addressOf(pod, family)}`;
  }).join("\n");
  await node.space.must(["nft", "-f", "-"], {
    input: `table inet proxy {
chain out { type nat hook output priority -100;
${rules}
}
chain pre { type nat hook prerouting priority -100;
${rules}
}
}
`,
  });
}

nftTest(
  "without masquerading pods keep their address, and reach what has a route back",
  BOTH,
  async (lab) => {
    await bringUp(lab, ["--masquerade=false"]);
    await using _internet = await startInternet(lab);
    const [pod, remote] = await pods(lab);
    await using _server = await listen(lab, podPlace(remote));
    await serviceBehind(pod.node, remote);
    for (const family of FAMILIES) {
      const [own, outside] = [addressOf(pod, family), INTERNET[family]];
      assert.equal(await seenBy(podPlace(pod), outside), "");
      const via = internalIp(pod.node, family);
      await lab.underlay.sh(`ip -${family} route add ${own} via ${via}`);
      assert.equal(await seenBy(podPlace(pod), outside), own);
      const service = CLUSTER_IP[family];
      const gateway = gatewayOf(pod.node, family);
      assert.equal(await seenBy(pod.node, service), gateway);
    }
  },
);

nftTest(
  "nothing leaves in clear: by another route, out of state, or of a time without the table",
  BOTH,
  async (lab) => {
    await bringUp(lab);
    await using _internet = await startInternet(lab);
    const [pod, remote] = await pods(lab);
    const { node } = pod;
    await ready(node);
    const saved = await node.space.must(["nft", "list", "table", ...TABLE]);
    // From here on nobody repairs anything.
    await node.stopAgent();
    const deeds: Readonly<Record<string, () => Promise<void>>> = {
      "another route, IPv4": () => anotherRoute(pod, remote, 4),
      "another route, IPv6": () => anotherRoute(pod, remote, 6),
      "FIN out of state": () => lateEnd(pod, "head -n 1 <&3"),
      // What ends with something unread ends with a RST.
      "RST out of state": () => lateEnd(pod, "true"),
    };
    for (const [what, deed] of Object.entries(deeds)) {
      assert.deepEqual([...await inClear(lab, deed)], [], what);
      // The same without the guard, to see that the test would see it.
      await node.space.sh("nft flush chain inet clusternet guard");
      assert.notDeepEqual([...await inClear(lab, deed)], [], what);
      await node.space.sh("nft delete table inet clusternet");
      await node.space.must(["nft", "-f", "-"], { input: saved });
    }
    const old = async (): Promise<void> => {
      await node.space.sh("nft delete table inet clusternet");
      const back = `ip route add ${addressOf(pod, 4)} via ${
        internalIp(node, 4)
      }`;
      await lab.underlay.sh(back);
      const script = `exec 3<>/dev/tcp/${
        INTERNET[4]
      }/${PORT}; head -n 1 <&3; read line; exec 3>&-; sleep 0.2`;
      const child = new Child(
        "a connection without the table",
        node.space.command(["bash", "-c", `sleep 1.5 | (${script})`], pod.name),
        { env: lab.settings.env },
      );
      await child.line(new RegExp(addressOf(pod, 4)));
      await node.space.must(["nft", "-f", "-"], { input: saved });
      const report = await inClear(lab, async () => {
        await child.ended;
      });
      assert.deepEqual([...report], [], "a connection older than the table");
    };
    await old();
  },
);

/** Host and pod speak to a remote pod while somebody's route leads past the tunnel. */
async function anotherRoute(
  { node, name }: Pod,
  remote: Pod,
  family: Family,
): Promise<void> {
  const far = addressOf(remote, family);
  const via = internalIp(remote.node, family);
  const route = `ip -${family} route`;
  await node.space.sh(`${route} add ${far} via ${via} dev eth0`);
  for (const pod of [undefined, name]) {
    const ping = ["ping", "-n", "-q", "-c", "2", "-i", "0.1", "-W", "1"];
    await node.space.run([...ping, far], { pod });
  }
  await node.space.sh(`${route} del ${far} via ${via}`);
}

/** A connection to outside that ends when the node has forgotten it. */
async function lateEnd({ node, name }: Pod, use: string): Promise<void> {
  const file = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established";
  const usual = await node.space.sh(`cat ${file}; echo 1 > ${file}`);
  const open = `exec 3<>/dev/tcp/${INTERNET[4]}/${PORT}`;
  const script = `${open}; ${use}; sleep 2.5; exec 3>&-; sleep 0.2`;
  await node.space.run(["timeout", "5", "bash", "-c", script], { pod: name });
  await node.space.sh(`echo ${usual.trim()} > ${file}`);
}

const TABLE = ["inet", "clusternet"];

/** What a witness on the underlay saw in clear meanwhile. */
async function inClear(
  lab: Lab,
  deed: () => Promise<void>,
): Promise<ReadonlyMap<string, number>> {
  const capture = await startCapture(lab);
  await deed();
  const { clear, dropped } = await capture.stop();
  assert.equal(dropped, 0);
  return clear;
}

nftTest(
  "a forged source is dropped: a pod's from the underlay, another pod's or the node's from a pod",
  BOTH,
  async (lab) => {
    await bringUp(lab);
    const [pod, remote] = await pods(lab);
    const { node } = pod;
    await ready(node);
    const saved = await node.space.must(["nft", "list", "table", ...TABLE]);
    await node.stopAgent();
    for (const family of FAMILIES) {
      const bits = family === 4 ? 32 : 128;
      const far = addressOf(remote, family);
      const flags = family === 6 ? " nodad" : "";
      await lab.underlay.sh(`
ip address add ${far}/${bits} dev lo${flags}
ip -${family} route add ${addressOf(pod, family)} via ${
        internalIp(node, family)
      }`);
      const outside = { space: lab.underlay };
      const asPod = { source: far, family };
      assert.equal(await arrives(pod, outside, asPod), 0, `IPv${family}`);
      await node.space.sh("nft delete table inet clusternet");
      assert.equal(await arrives(pod, outside, asPod), 3, `IPv${family}, bare`);
      await node.space.must(["nft", "-f", "-"], { input: saved });
    }
    const neighbour = await node.addPod(`${node.name}-neighbour`);
    const inside = podPlace(pod);
    for (const family of FAMILIES) {
      const source = addressOf(neighbour, family);
      const bits = family === 4 ? "32" : "128 nodad";
      await node.space.must(
        ["ip", "address", "add", ...`${source}/${bits} dev lo`.split(" ")],
        { pod: pod.name },
      );
      const forged = { source, family };
      assert.equal(await arrives(remote, inside, forged), 0, `IPv${family}`);
      await node.space.sh("nft delete table inet clusternet");
      assert.equal(await arrives(remote, inside, forged), 3, "without a table");
      await node.space.must(["nft", "-f", "-"], { input: saved });
    }
    // Over IPv4 the kernel takes its own address from nobody.
    const own = internalIp(node, 6);
    await node.space.must(
      ["ip", "address", "add", `${own}/128`, "dev", "lo", "nodad"],
      { pod: pod.name },
    );
    const asNode = { source: own, family: 6 } as const;
    assert.equal(await arrives(remote, inside, asNode), 0);
    await node.space.sh("nft flush chain inet clusternet forwarded");
    assert.equal(await arrives(remote, inside, asNode), 3, "without that rule");
  },
);

nftTest(
  "the table is repaired within a second, and other tables are left alone and in force",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    const [pod, remote] = await pods(lab);
    await ready(node);
    const list = (): Promise<string> =>
      node.space.must(["nft", "-s", "list", "ruleset"]);
    const foreign = `table ip policies {
	chain forwarding {
		type filter hook forward priority filter; policy accept;
		ip saddr ${addressOf(pod, 4)} drop
	}
}
`;
    const whole = await list();
    const deeds = [
      "nft flush ruleset",
      "nft delete table inet clusternet",
      "nft flush chain inet clusternet guard",
      "nft insert rule inet clusternet guard accept",
      "nft add chain inet clusternet guard '{ policy drop; }'",
      "nft add table inet clusternet '{ flags dormant; }'",
      "for i in $(seq 20); do nft flush ruleset; done",
    ];
    for (const deed of deeds) {
      await pause(100);
      const lines = node.agent?.lines.length ?? 0;
      await node.space.sh(deed);
      const begin = performance.now();
      await eventually(
        `"${deed}" is repaired`,
        async () => await list() === whole ? true : undefined,
        patience(3_000),
      );
      const took = performance.now() - begin;
      assert.ok(took < patience(1_000), `${deed}: ${took} ms`);
      if (deed.startsWith("for")) continue;
      // Its own change is told to it as well, and is no reason for another.
      await pause(300);
      const sets = node.agent?.lines.slice(lines).filter((line) =>
        line.includes(" nft '")
      );
      assert.equal(sets?.length, 1, `${deed}: ${sets?.join("\n")}`);
    }
    const ping = (): Promise<boolean> =>
      node.space.run(
        ["ping", "-n", "-q", "-c", "1", "-W", "1", addressOf(remote, 4)],
        { pod: pod.name },
      ).then(({ code }) => code === 0);
    assert.equal(await ping(), true);
    await node.space.must(["nft", "-f", "-"], { input: foreign });
    assert.equal(await ping(), false, "somebody else's policy");
    await node.space.sh("nft delete table inet clusternet");
    await eventually(
      "it is back beside the other",
      async () => await list() === foreign + whole ? true : undefined,
      patience(3_000),
    );
    assert.equal(await ping(), false, "still");
  },
);

/** Where engines of NetworkPolicy look at packets, and before all of ours. */
const POLICY_HOOKS: readonly string[] = [
  "forward priority filter",
  "postrouting priority srcnat - 5",
  "prerouting priority dstnat + 5",
  "prerouting priority raw - 1",
];

/** What an engine of NetworkPolicy would put beside ours. */
async function putPolicy(
  { space }: LabNode,
  hook: string,
  rules: readonly string[],
): Promise<void> {
  await space.must(["nft", "-f", "-"], {
    input: `add table inet policies
delete table inet policies
table inet policies {
chain pods { type filter hook ${hook}; policy accept;
${rules.join("\n")}
}
}
`,
  });
}

/** Those of them that answer. Who must not is asked at once: each takes 2 s. */
async function answering(
  from: Place,
  addresses: readonly string[],
): Promise<readonly string[]> {
  const all = await Promise.all(
    addresses.map(async (to) => await seenBy(from, to) === "" ? [] : [to]),
  );
  return all.flat();
}

function ipWord(family: Family): string {
  return family === 4 ? "ip" : "ip6";
}

nftTest(
  "what another's table drops of a pod's packets stays dropped, at each hook and by the pod's own address",
  BOTH,
  async (lab) => {
    await bringUp(lab);
    await using _internet = await startInternet(lab);
    const [pod, remote] = await pods(lab);
    const { node } = pod;
    const neighbour = await node.addPod(`${node.name}-neighbour`);
    await reachesGateway(neighbour);
    await using _far = await listen(lab, podPlace(remote));
    await using _near = await listen(lab, podPlace(neighbour));
    await using _own = await listen(lab, podPlace(pod));
    await using _host = await listen(lab, remote.node);
    await serviceBehind(node, remote);
    const beyond = FAMILIES.flatMap((family) => [
      addressOf(remote, family),
      internalIp(remote.node, family),
      INTERNET[family],
      CLUSTER_IP[family],
    ]);
    const near = FAMILIES.map((family) => addressOf(neighbour, family));
    const own = FAMILIES.map((family) => addressOf(pod, family));
    const [inPod, inNeighbour] = [podPlace(pod), podPlace(neighbour)];
    const sources = [podPlace(remote), inNeighbour, remote.node];
    for (const hook of POLICY_HOOKS) {
      await putPolicy(node, hook, dropsOf(pod, "saddr"));
      const all = [...beyond, ...near];
      assert.deepEqual(await answering(inPod, all), [], hook);
      await assertReaches(inNeighbour, beyond, hook);
      await putPolicy(node, hook, []);
      await assertReaches(inPod, all, `without ${hook}`);
      await putPolicy(node, hook, dropsOf(pod, "daddr"));
      const heard = await Promise.all(
        sources.map((from) => answering(from, own)),
      );
      assert.deepEqual(heard.flat(), [], hook);
      await putPolicy(node, hook, []);
      for (const from of sources) await assertReaches(from, own, hook);
    }
  },
);

function dropsOf(pod: Pod, of: "saddr" | "daddr"): readonly string[] {
  return FAMILIES.map((family) =>
    `meta l4proto tcp ${ipWord(family)} ${of} ${addressOf(pod, family)} drop`
  );
}

async function assertReaches(
  from: Place,
  all: readonly string[],
  when: string,
): Promise<void> {
  for (const to of all) {
    assert.notEqual(await seenBy(from, to), "", `${when}: ${to}`);
  }
}

nftTest(
  "another's table may let a pod reach one other alone, by itself or by its Service, also when ours is made anew",
  BOTH,
  async (lab) => {
    await bringUp(lab);
    await using _internet = await startInternet(lab);
    const [pod, remote] = await pods(lab);
    const { node } = pod;
    await using _far = await listen(lab, podPlace(remote));
    await using _host = await listen(lab, remote.node);
    await serviceBehind(node, remote);
    await putPolicy(node, "forward priority filter", [
      "ct state established,related accept",
      ...FAMILIES.flatMap((family) => {
        const from = `${ipWord(family)} saddr ${addressOf(pod, family)}`;
        const to = `${ipWord(family)} daddr ${addressOf(remote, family)}`;
        return [`${from} ${to} tcp dport ${PORT} accept`, `${from} drop`];
      }),
    ]);
    const assertHolds = async (): Promise<void> => {
      for (const family of FAMILIES) {
        const own = addressOf(pod, family);
        for (const to of [addressOf(remote, family), CLUSTER_IP[family]]) {
          assert.equal(await seenBy(podPlace(pod), to), own, to);
        }
        const others = [INTERNET[family], internalIp(remote.node, family)];
        assert.deepEqual(await answering(podPlace(pod), others), []);
      }
    };
    await assertHolds();
    await node.space.sh("nft delete table inet clusternet");
    await eventually("our table is back", async () => {
      const { code } = await node.space.run(["nft", "list", "table", ...TABLE]);
      return code === 0 ? true : undefined;
    });
    await assertHolds();
  },
);
