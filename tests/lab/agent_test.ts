import assert from "node:assert/strict";
import { nodeObject } from "./api.ts";
import { ANNOTATION } from "./convergence.ts";
import { Child } from "./exec.ts";
import {
  bringUp,
  eventually,
  labTest,
  patience,
  pause,
  settled,
  SLOW,
} from "./harness.ts";
import { firstNode, ready, runAgent, sentences, writesOf } from "./look.ts";

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
