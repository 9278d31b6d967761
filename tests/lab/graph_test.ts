import assert from "node:assert/strict";
import type { HistoryEntry } from "../../mod/core/history.ts";
import { dieWithUs, run } from "./exec.ts";
import { drawExample, EXAMPLE, skeletonOf } from "./example_graph.ts";
import { bringUp, eventually, labTest, patience } from "./harness.ts";
import { firstNode } from "./look.ts";
import type { LabNode } from "./node.ts";

/** The head and the body of what the agent answers on its port. */
async function page(node: LabNode, path: string): Promise<string> {
  const request =
    `GET ${path} HTTP/1.1\\r\\nHost: localhost:7839\\r\\nConnection: close\\r\\n\\r\\n`;
  return await node.space.must([
    ...["bash", "-c"],
    `exec 3<>/dev/tcp/127.0.0.1/7839 && printf '${request}' >&3 && cat <&3`,
  ]);
}

async function history(node: LabNode): Promise<readonly HistoryEntry[]> {
  const text = await page(node, "/v1/history");
  return JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4)).entries;
}

async function draw(node: LabNode, flags: readonly string[]): Promise<string> {
  const { agent, env } = node.settings;
  const command = node.space.command([...agent, "graph", ...flags]);
  const { code, stdout, stderr } = await run(dieWithUs(command), { env });
  assert.equal(code, 0, stderr);
  return stdout;
}

labTest(
  "clusternet graph and the page of real agents show the tunnels, who is cut off, and docs/mesh.svg",
  { nodes: 5 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    const last = lab.node("n3");
    const states = async (): Promise<readonly string[]> =>
      JSON.parse(await draw(node, ["-o", "json"])).tunnels.map(
        ({ b, state }: { b: string; state: string }) => `${b} ${state}`,
      );
    for (const one of await states()) assert.doesNotMatch(one, /down|absent/);
    const html = await page(node, "/");
    assert.match(html, /^HTTP\/1\.1 200 /);
    assert.match(html, /content-security-policy: default-src 'none'; /);
    assert.match(html, /<\/html>\s*$/);
    assert.match(await page(node, "/v1/graph.svg"), /<desc [^>]*>5 Nodes, 4 /);
    const peers = (await history(node)).filter(({ kind }) => kind === "peer");
    assert.ok(
      peers.some(({ text }) => text.startsWith(`${last.name} is a peer`)),
    );
    const example = await drawExample(lab);
    // By `deno task example`.
    if (Deno.args.includes("--write")) {
      await Deno.writeTextFile(EXAMPLE, example);
    }
    assert.equal(
      skeletonOf(example),
      skeletonOf(await Deno.readTextFile(EXAMPLE)),
      "deno task example draws it anew",
    );
    await last.space.sh("ip link set eth0 down");
    await eventually(
      "the cut is drawn",
      async () =>
        (await states()).includes(`${last.name} down`) ? true : undefined,
      patience(30_000),
    );
    const svg = await draw(node, ["--no-probe", "-o", "svg"]);
    assert.match(svg, /<g class="tunnel down" color="#cf222e">/);
    await page(node, "/v1/status");
    const told = (await history(node)).map(({ text }) => text);
    assert.ok(
      told.some((text) => text.startsWith(`${last.name} is down: `)),
      told.join("\n"),
    );
  },
);
