import assert from "node:assert/strict";
import {
  addPods,
  bringUp,
  eventually,
  labTest,
  losesNothing,
  patience,
  pause,
  peerLines,
  runAgent,
  sentences,
  settled,
  SLOW,
  twoPods,
} from "./harness.ts";
import { nodeObject } from "./api.ts";
import { ANNOTATION } from "./convergence.ts";
import { Child } from "./exec.ts";
import type { Lab } from "./lab.ts";
import type { LabNode } from "./node.ts";

function firstNode(lab: Lab): LabNode {
  const [node] = lab.nodes;
  assert.ok(node !== undefined);
  return node;
}

/** Everything that the agent sets, as ip(8), wg(8) and sysctl(8) show it. */
async function dataPlane(node: LabNode): Promise<string> {
  return await node.space.sh(`
ip -d -o link show clusternet | sed 's/.*<\\([^>]*\\)> mtu \\([0-9]*\\).*alias \\([^ ]*\\).*/\\1 \\2 \\3/'
ip -o address show dev clusternet | sed 's/.* inet/inet/; s/ valid.*//' | sort
ip -4 route show table main | grep -v eth0 | grep -v veth | sort
ip -6 route show proto 78 | sort
cat /proc/sys/net/ipv4/ip_forward
wg show clusternet allowed-ips | sort
wg show clusternet listen-port`);
}

labTest(
  "SIGTERM ends the agent within a second; tunnels and pods go on",
  {},
  async (lab) => {
    await bringUp(lab);
    await addPods(lab, 1);
    const node = firstNode(lab);
    const before = await dataPlane(node);
    await losesNothing(twoPods(lab), async () => {
      const begin = performance.now();
      assert.equal(await node.stopAgent("SIGTERM"), 0);
      const took = performance.now() - begin;
      assert.ok(took < patience(1000), `${took} ms`);
      await pause(500);
    });
    assert.equal(await dataPlane(node), before);
  },
);

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  labTest(
    `restarts by ${signal} lose no packet and change nothing`,
    {},
    async (lab) => {
      await bringUp(lab);
      await addPods(lab, 1);
      const node = firstNode(lab);
      const before = await dataPlane(node);
      const peers = await peerLines(node);
      const writes = await writesOf(lab);
      await losesNothing(twoPods(lab), async () => {
        for (let round = 0; round < 3; round++) {
          await node.stopAgent(signal);
          node.startAgent();
          await ready(node);
        }
      });
      assert.equal(await dataPlane(node), before);
      assert.deepEqual(await peerLines(node), peers);
      assert.deepEqual(await writesOf(lab), writes, "a restart writes nothing");
    },
  );
}

/** Waits until the agent that was started last says that it is in sync. */
async function ready(node: LabNode, withinMs = 10_000): Promise<void> {
  await node.agent?.line(/\bOK, \d+ peers?/, { withinMs: patience(withinMs) });
}

/** Requests that change something, by verb and resource. */
async function writesOf(lab: Lab): Promise<Readonly<Record<string, number>>> {
  const all = await lab.api.requests();
  return Object.fromEntries(
    Object.entries(all).filter(([what]) =>
      what.startsWith("patch nodes/status")
    ),
  );
}

labTest(
  "a second agent on the same link refuses to start and touches nothing",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    const before = await dataPlane(node);
    const { code, stdout, stderr } = await runAgent(
      node,
      node.agentCommand(),
    );
    assert.equal(code, 1, stdout + stderr);
    const [sentence = "", ...more] = sentences(stderr);
    assert.match(sentence, /^clusternet: .*link clusternet.*another agent/);
    assert.deepEqual(more, []);
    assert.equal(await dataPlane(node), before);
    assert.ok(node.agent?.running);
  },
);

interface Drift {
  readonly what: string;
  readonly command: (node: LabNode) => string;
  /** Without: both. */
  readonly only?: "kernel" | "userspace";
}

const DRIFTS: readonly Drift[] = [
  {
    what: "the route",
    command: () => "ip route del 10.0.0.0/16 dev clusternet",
  },
  {
    what: "the unreachable route",
    command: () => "ip route del unreachable 10.0.0.0/16 metric 4294967295",
  },
  {
    what: "the route without its source",
    command: () => "ip route change 10.0.0.0/16 dev clusternet proto 78",
  },
  {
    what: "the address",
    command: ({ plan }) =>
      `ip address del ${
        plan.podCidrs[0]?.replace("0/24", "1/32")
      } dev clusternet`,
  },
  {
    what: "a foreign address",
    command: () => "ip address add 10.9.9.9/32 dev clusternet",
  },
  { what: "the MTU", command: () => "ip link set clusternet mtu 1300" },
  { what: "the link's state", command: () => "ip link set clusternet down" },
  {
    what: "forwarding",
    command: () => "echo 0 > /proc/sys/net/ipv4/ip_forward",
  },
  {
    what: "the link itself",
    command: () => "ip link del clusternet",
    only: "kernel",
  },
];

labTest(
  "drift by hand is repaired within a second",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    await ready(node);
    const before = await dataPlane(node);
    for (const { what, command, only } of DRIFTS) {
      if (
        only !== undefined && only !== lab.settings.wireguard.backend
      ) continue;
      await node.space.sh(command(node));
      const begin = performance.now();
      await eventually(`${what} is repaired`, async () => {
        const now = await dataPlane(node).catch(() => "");
        return now === before ? true : undefined;
      }, patience(3_000)).catch(async (cause) => {
        const now = await dataPlane(node).catch(String);
        throw new Error(`${what}:\n${now}\ninstead of\n${before}`, { cause });
      });
      const took = performance.now() - begin;
      assert.ok(took < patience(1_000), `${what}: ${took} ms`);
    }
  },
);

labTest(
  "peers changed by hand, of which nobody tells, are repaired within 35 seconds",
  { nodes: 3 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    const before = await peerLines(node);
    const [first = "", second = ""] = await node.peers();
    await node.space.sh(`
wg set clusternet peer ${first} remove
wg set clusternet peer ${second} allowed-ips 10.0.255.0/24
wg set clusternet peer ${
      new Uint8Array(32).fill(8).toBase64()
    } allowed-ips 10.0.254.0/24`);
    await eventually("the peers are repaired", async () => {
      const now = await peerLines(node);
      return JSON.stringify(now) === JSON.stringify(before) ? true : undefined;
    }, patience(35_000));
  },
);

labTest(
  "the key is published again when something takes it away, and only then",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    const keyNow = async (): Promise<string | undefined> =>
      (await lab.api.node(node.name)).metadata.annotations?.[ANNOTATION];
    const key = await keyNow();
    assert.ok(key !== undefined);
    const tampers: readonly unknown[] = [
      { [ANNOTATION]: null },
      { [ANNOTATION]: new Uint8Array(32).fill(3).toBase64() },
      null,
    ];
    for (const annotations of tampers) {
      await lab.api.patch(node.name, { metadata: { annotations } });
      await eventually("the key is back", async () => {
        return await keyNow() === key ? true : undefined;
      }, patience(3_000));
    }
    const writes = await writesOf(lab);
    await lab.api.patch(node.name, { metadata: { labels: { heart: "beat" } } });
    await pause(patience(1_000));
    assert.deepEqual(
      await writesOf(lab),
      writes,
      "nothing to write, nothing written",
    );
  },
);

labTest(
  "an API server that goes and comes back costs no packet and no peer",
  {},
  async (lab) => {
    await bringUp(lab);
    await addPods(lab, 1);
    const [first, , third] = lab.nodes;
    assert.ok(first !== undefined && third !== undefined);
    const before = await peerLines(first);
    await losesNothing(twoPods(lab), async () => {
      await lab.api.goDown();
      await pause(3_000);
      assert.deepEqual(await peerLines(first), before, "while it is away");
      for (const node of lab.nodes) assert.ok(node.agent?.running);
      await lab.api.comeBack();
      await lab.api.remove(third.name);
      await eventually("the news of the absence has arrived", async () => {
        return (await first.peers()).length === 1 ? true : undefined;
      }, patience(40_000));
    });
  },
);

labTest("--once: 0 when all stands, 1 and what is missing when not", {
  nodes: 2,
}, async (lab) => {
  await bringUp(lab);
  const node = firstNode(lab);
  await node.stopAgent();
  const once = async (): Promise<
    { readonly code: number; readonly stderr: string; readonly seconds: number }
  > => {
    const begin = performance.now();
    const { code, stderr } = await runAgent(
      node,
      node.agentCommand(["--once"]),
    );
    return { code, stderr, seconds: (performance.now() - begin) / 1000 };
  };
  assert.equal((await once()).code, 0);
  await node.space.sh("ip route del 10.0.0.0/16 dev clusternet");
  assert.equal((await once()).code, 0, "repairs");
  await node.space.sh("ip route show | grep -q '^10.0.0.0/16 dev clusternet'");
  await lab.api.goDown();
  const { code, stderr, seconds } = await once();
  assert.equal(code, 1);
  assert.match(stderr, /Node|API|list/);
  assert.ok(seconds < patience(45), `${seconds} s`);
  await lab.api.comeBack();
});

labTest(
  "an agent that starts before its Node, its podCIDR or the API server waits for them",
  { nodes: 2 },
  async (lab) => {
    await lab.boot();
    await lab.api.goDown();
    for (const node of lab.nodes) node.startAgent();
    await pause(1_500);
    for (const node of lab.nodes) {
      assert.ok(
        node.agent?.running,
        node.agent?.lines.join("\n") ?? "",
      );
    }
    await lab.api.comeBack();
    await pause(500);
    await lab.register();
    await pause(500);
    await lab.assignPodCidrs();
    await settled(lab);
    if (!SLOW) assert.ok(lab.nodes.every((node) => node.agent?.running));
  },
);

labTest(
  "a busy port keeps the agent not ready, with a sentence, until it is free",
  {
    nodes: 2,
  },
  async (lab) => {
    await lab.boot();
    await lab.register();
    await lab.assignPodCidrs();
    const node = firstNode(lab);
    const program =
      `Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 7838 }); console.log("bound"); setInterval(() => {}, 1000);`;
    const squatter = new Child(
      "a squatter on port 7838",
      node.space.command([Deno.execPath(), "eval", "--unstable-net", program]),
      { env: node.settings.env },
    );
    try {
      await squatter.line(/^bound$/, { withinMs: patience(10_000) });
      const once = await runAgent(node, node.agentCommand(["--once"]));
      assert.equal(once.code, 1, once.stderr);
      assert.match(sentences(once.stderr).at(-1) ?? "", /7838/);
      for (const each of lab.nodes) each.startAgent();
      await node.agent?.line(/Degraded: .*7838/, {
        withinMs: patience(10_000),
      });
      assert.equal(
        await node.conflist(),
        undefined,
        "no pods before it is ready",
      );
    } finally {
      await squatter.stop("SIGKILL");
    }
    await ready(node, 60_000);
    await settled(lab);
  },
);

labTest(
  "a cluster CIDR that holds our InternalIP is refused before the first write",
  {
    nodes: 2,
  },
  async (lab) => {
    await lab.boot();
    const node = firstNode(lab);
    const object = nodeObject(node.plan);
    const addresses = [{ type: "InternalIP", address: "10.0.200.1" }];
    await lab.api.create({ ...object, status: { addresses } });
    const child = node.startAgent();
    await child.line(/10\.0\.200\.1/, { withinMs: patience(10_000) });
    await pause(500);
    assert.equal(await node.space.sh("ip route show proto 78"), "");
    assert.equal(await node.conflist(), undefined);
    assert.deepEqual(await writesOf(lab), {});
  },
);
