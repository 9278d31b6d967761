import assert from "node:assert/strict";
import { addPod, removePod } from "./cni.ts";
import { bringUp, eventually, labTest, settled } from "./harness.ts";
import { Child } from "./exec.ts";
import type { Lab } from "./lab.ts";
import type { LabNode, Pod } from "./node.ts";
import { type Family, familyOf } from "./plan.ts";

interface Conflist {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly [
    {
      readonly type: string;
      readonly mtu: number;
      readonly ipam: {
        readonly type: string;
        readonly dataDir: string;
        readonly ranges: readonly (readonly { readonly subnet: string }[])[];
        readonly routes: readonly { readonly dst: string }[];
      };
    },
    { readonly type: string; readonly capabilities: unknown },
  ];
}

async function conflistOf(node: LabNode): Promise<Conflist> {
  return JSON.parse(await node.conflist() ?? "null") as Conflist;
}

/** Files of host-local named after the addresses that it has given away. */
async function leases(node: LabNode): Promise<readonly string[]> {
  const [{ ipam }] = (await conflistOf(node)).plugins;
  const { stdout } = await node.space.run(["find", ipam.dataDir, "-type", "f"]);
  return stdout.split("\n")
    .map((file) => file.split("/").at(-1) ?? "")
    .filter((name) => /^[0-9a-f]+[.:]/.test(name)).sort();
}

function onlyNode(lab: Lab): LabNode {
  const [node] = lab.nodes;
  assert.ok(node !== undefined);
  return node;
}

const STACKS: readonly {
  readonly name: string;
  readonly pods: readonly Family[];
}[] = [
  { name: "IPv4", pods: [4] },
  { name: "IPv6", pods: [6] },
  { name: "dual stack", pods: [4, 6] },
];

const GATEWAY_BITS: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };

for (const { name, pods } of STACKS) {
  labTest(`the real plugins take the conflist: ${name}`, {
    nodes: 2,
    pods,
    underlay: [4, 6],
  }, async (lab) => {
    await bringUp(lab);
    const node = onlyNode(lab);
    const conflist = await conflistOf(node);
    const [ptp, portmap] = conflist.plugins;
    assert.equal(conflist.cniVersion, "0.3.1");
    assert.equal(conflist.name, "k8s-pod-network");
    assert.equal(ptp.type, "ptp");
    assert.equal(ptp.mtu, await node.mtu());
    assert.equal(portmap.type, "portmap");
    assert.deepEqual(portmap.capabilities, { portMappings: true });
    assert.match(ptp.ipam.dataDir, /^\/run\//);
    assert.deepEqual(
      ptp.ipam.ranges.map((set) => set.map((range) => range.subnet)),
      node.plan.podCidrs.map((cidr) => [cidr]),
    );
    const pod = await node.addPod("n1-a");
    assert.deepEqual(pod.addresses.map(familyOf), pods);
    await assertInside(node, pod);
    assert.deepEqual(await leases(node), [...pod.addresses].sort());
    await node.removePod(pod);
    assert.deepEqual(await leases(node), []);
  });
}

/** MTU, addresses, default routes and gateway as a process in the pod sees them. */
async function assertInside(node: LabNode, pod: Pod): Promise<void> {
  const inside = (...command: string[]): Promise<string> =>
    node.space.must(command, { pod: pod.name });
  const link = await inside("ip", "-o", "link", "show", "eth0");
  assert.match(link, new RegExp(` mtu ${await node.mtu()} `));
  for (const [index, address] of pod.addresses.entries()) {
    const family = familyOf(address);
    const cidr = node.plan.podCidrs[index] ?? "";
    const gateway = cidr.replace(/0\/24$|\/64$/, "1").replace(/::0*1$/, "::1");
    const shown = await inside(
      "ip",
      "-o",
      `-${family}`,
      "address",
      "show",
      "eth0",
    );
    assert.ok(shown.includes(` ${address}/`), shown);
    const route = await inside("ip", `-${family}`, "route", "show", "default");
    assert.match(route, new RegExp(`^default via ${gateway} `));
    const own = await node.space.must([
      ...["ip", "-o", `-${family}`, "address", "show", "dev", "clusternet"],
    ]);
    assert.ok(own.includes(` ${gateway}/${GATEWAY_BITS[family]} `), own);
  }
}

labTest(
  "no conflist before the agent has run in this boot, and no lease from an earlier one",
  {
    nodes: 2,
  },
  async (lab) => {
    await bringUp(lab);
    const node = onlyNode(lab);
    const first = await node.addPod("n1-a");
    await node.addPod("n1-b");
    assert.equal((await leases(node)).length, 2);
    const text = await node.conflist();

    await node.reboot();
    assert.equal(await node.conflist(), undefined, "before the agent");
    node.startAgent();
    await settled(lab);
    assert.equal(await node.conflist(), text, "afterwards the same");
    assert.deepEqual(
      await leases(node),
      [],
      "leases of the pods that the boot ended",
    );

    // host-local goes on with the next address only where it remembers the last one.
    const again = await node.addPod("n1-a");
    assert.deepEqual(again.addresses, first.addresses);
  },
);

labTest("SIGKILL of the agent, time and again, leaks no address", {
  nodes: 2,
}, async (lab) => {
  await bringUp(lab);
  const node = onlyNode(lab);
  const kept = await node.addPod("n1-a");
  for (let round = 0; round < 3; round++) {
    const adding = node.addPod("n1-b");
    await node.stopAgent("SIGKILL");
    const pod = await adding;
    assert.equal((await leases(node)).length, 2);
    const removing = node.removePod(pod);
    node.startAgent();
    await removing;
    assert.deepEqual(await leases(node), [...kept.addresses]);
  }
  await settled(lab);
  assert.deepEqual(await leases(node), [...kept.addresses]);
});

labTest("a hostPort leads to its pod, from the node and from another one", {
  nodes: 2,
}, async (lab) => {
  await bringUp(lab);
  const [node, other] = lab.nodes;
  assert.ok(node !== undefined && other !== undefined);
  const place = {
    ...await node.podPlace("n1-a"),
    portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }],
  };
  await addPod(place);
  using server = serve(node, "n1-a");
  const [address = ""] = node.plan.internalIps;
  const ask = (from: LabNode) => (): Promise<string | undefined> =>
    httpGet(from, `http://${address}:8080/`);
  assert.equal(await eventually("the node gets an answer", ask(node)), "hello");
  assert.equal(await eventually("the other too", ask(other)), "hello");
  await server.child.stop("SIGTERM");
  await removePod(place);
});

/** A server in the pod. */
function serve(
  node: LabNode,
  pod: string,
): Disposable & { readonly child: Child } {
  const program =
    `Deno.serve({ port: 80, hostname: "0.0.0.0" }, () => new Response("hello"))`;
  const child = new Child(
    "a server in a pod",
    node.space.command([Deno.execPath(), "eval", program], pod),
    { env: node.settings.env },
  );
  return { child, [Symbol.dispose]: () => child.signal("SIGKILL") };
}

async function httpGet(
  node: LabNode,
  url: string,
): Promise<string | undefined> {
  const program = `console.log(await (await fetch(Deno.args[0])).text())`;
  const { code, stdout } = await node.space.run([
    ...[Deno.execPath(), "eval", program, url],
  ]);
  return code === 0 ? stdout.trim() : undefined;
}
