import assert from "node:assert/strict";
import { METRICS } from "../../mod/view/metrics.ts";
import { METRICS_TYPES } from "../../mod/view/metrics_text.ts";
import { skipped } from "../support/skip.ts";
import { Child } from "./exec.ts";
import {
  addPods,
  bringUp,
  eventually,
  labTest,
  patience,
  settled,
} from "./harness.ts";
import type { Lab } from "./lab.ts";
import { firstNode } from "./look.ts";
import type { LabNode } from "./node.ts";

interface Answer {
  readonly head: string;
  readonly body: string;
}

/** An answer of the agent's, over TCP in its node. */
async function ask(
  node: LabNode,
  path: string,
  { accept = "*/*", host = "127.0.0.1", port = 7839 } = {},
): Promise<Answer> {
  const request =
    `GET ${path} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\nAccept: ${accept}\\r\\n\\r\\n`;
  const text = await node.space.must([
    ...["bash", "-c"],
    `exec 3<>/dev/tcp/${host}/${port} && printf '${request}' >&3 && cat <&3`,
  ]);
  const end = text.indexOf("\r\n\r\n");
  return { head: text.slice(0, end), body: text.slice(end + 4) };
}

async function metrics(node: LabNode): Promise<string> {
  return (await ask(node, "/metrics")).body;
}

/** The value of the one sample that begins so; `undefined`: there is none. */
function value(text: string, sample: string): number | undefined {
  const line = text.split("\n").find((one) =>
    one.startsWith(`${sample} `) || one.startsWith(sample) && /\}$/.test(sample)
  );
  return line === undefined ? undefined : Number(line.split(" ").at(-1));
}

async function promtool(
  args: readonly string[],
  stdin: string,
): Promise<string> {
  const child = new Deno.Command("promtool", {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const said = new TextDecoder().decode(stdout) +
    new TextDecoder().decode(stderr);
  return code === 0 ? said : `${said}(exit code ${code})`;
}

/** Names of the samples' families, in the order of the text. */
function names(text: string): readonly string[] {
  return [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name);
}

const BIND = "0.0.0.0:7840";

labTest(
  "/metrics of a real agent: every metric, in both formats, as promtool takes it",
  { nodes: 2 },
  async (lab) => {
    const flags = ["--metrics-bind-address", BIND];
    await bringUp(lab, flags);
    await addPods(lab, 1);
    const node = firstNode(lab);
    await pingOther(lab);
    const text = await metrics(node);
    assert.deepEqual(names(text), METRICS.map(({ name }) => name));
    for (const { name } of METRICS) {
      assert.match(text, new RegExp(`^${name}(_count)?[{ ]`, "m"));
    }
    assert.match(
      text,
      /^wireguard_sent_bytes_total\{interface="clusternet",public_key="\S{44}",allowed_ips="10\.0\.\d+\.0\/24",friendly_name="n2"\} [1-9]\d*$/m,
    );
    assert.equal(value(text, "clusternet_ready"), 1);
    assert.equal(value(text, "clusternet_nodes"), 2);
    assert.equal(value(text, 'clusternet_peers{state="up"}'), 1);
    const handshake = /^wireguard_latest_handshake_seconds\{.*\} (\d+)$/m
      .exec(text)?.[1];
    assert.ok(Math.abs(Number(handshake) - Date.now() / 1_000) < 60);
    assert.ok((value(text, "process_resident_memory_bytes") ?? 0) > 1e7);
    assert.ok((value(text, "process_open_fds") ?? 0) > 5);
    const started = value(text, "process_start_time_seconds") ?? 0;
    assert.ok(Math.abs(started - Date.now() / 1_000) < 120);

    const accept = "application/openmetrics-text;version=1.0.0";
    const open = await ask(node, "/metrics", { accept });
    assert.ok(open.head.includes(METRICS_TYPES.openmetrics), open.head);
    assert.match(open.body, /\n# EOF\n$/);

    await onlyMetricsOutside(lab);
    if (skipped("promtool", { commands: ["promtool"] })) return;
    assert.equal(await promtool(["check", "metrics"], text), "");
  },
);

async function pingOther(lab: Lab): Promise<void> {
  const [one, two] = lab.nodes;
  const [pod] = two?.pods ?? [];
  assert.ok(one !== undefined && pod !== undefined);
  const [from] = one.pods;
  await one.space.must(
    ["ping", "-c", "1", "-W", "5", pod.addresses[0] ?? ""],
    { pod: from?.name },
  );
}

/** Another node reaches the metrics and nothing else. */
async function onlyMetricsOutside(lab: Lab): Promise<void> {
  const [one, two] = lab.nodes;
  assert.ok(one !== undefined && two !== undefined);
  const [host = ""] = one.plan.internalIps;
  const there = { host, port: 7840 };
  assert.match(
    (await ask(two, "/metrics", there)).body,
    /^clusternet_ready 1/m,
  );
  for (const path of ["/", "/v1/status", "/healthz", "/readyz"]) {
    assert.match((await ask(two, path, there)).head, / 404 /, path);
  }
  await assert.rejects(ask(two, "/metrics", { host }), "on the loopback only");
}

labTest(
  "/metrics counts: drift that is repaired, Nodes that are no peers, keys that change, peers that are down",
  { nodes: 2 },
  async (lab) => {
    await bringUp(lab);
    const node = firstNode(lab);
    const until = async (
      sample: string,
      wanted: number,
      ms = 10_000,
    ): Promise<void> => {
      await eventually(`${sample} is ${wanted}`, async () => {
        const now = value(await metrics(node), sample);
        return now === wanted ? true : undefined;
      }, patience(ms));
    };
    const [, other] = lab.nodes;
    assert.ok(other !== undefined);
    await other.stopAgent();
    const key = new Uint8Array(32).fill(5).toBase64();
    await lab.api.patch(other.name, {
      metadata: { annotations: { "clusternet.dev/wg-pubkey": key } },
    });
    await eventually("n1 has the new key", async () => {
      return (await node.peers()).includes(key) ? true : undefined;
    });
    // Nobody has that key: the scrapes themselves find that nobody answers.
    await until('clusternet_peers{state="down"}', 1);
    assert.match(
      await metrics(node),
      /^clusternet_peer_state\{.*friendly_name="n2",state="down"\} 1$/m,
    );
    await until("clusternet_key_changes_total", 1);

    const drift = 'clusternet_drift_repairs_total{kind="add-route"}';
    assert.equal(value(await metrics(node), drift), undefined);
    await node.space.sh("ip route del 10.0.0.0/16 dev clusternet");
    await until(drift, 1);
    await until('clusternet_drift_repairs_total{kind="peer"}', 0);

    const hostile = 'x"} 1\nclusternet_ready 7\\';
    await lab.api.create({
      metadata: {
        name: "n9",
        annotations: { "clusternet.dev/wg-pubkey": hostile },
      },
    });
    await until('clusternet_rejected_nodes{reason="bad-key"}', 1);
    await until("clusternet_ready", 1);
  },
);

labTest(
  "a metrics address that is taken is said once, and the network stands without it",
  { nodes: 2 },
  async (lab) => {
    await lab.boot();
    const node = firstNode(lab);
    const program =
      `Deno.listen({ hostname: "0.0.0.0", port: 7840 }); console.log("bound"); setInterval(() => {}, 1000);`;
    const squatter = new Child(
      "a squatter on port 7840",
      node.space.command([Deno.execPath(), "eval", program]),
      { env: node.settings.env },
    );
    try {
      await squatter.line(/^bound$/, { withinMs: patience(10_000) });
      await bringUpRest(lab);
      await node.agent?.line(/Cannot serve on 0\.0\.0\.0:7840: .*in use/, {
        withinMs: patience(10_000),
      });
      assert.equal(value(await metrics(node), "clusternet_ready"), 1);
    } finally {
      await squatter.stop("SIGKILL");
    }
  },
);

async function bringUpRest(lab: Lab): Promise<void> {
  await lab.register();
  await lab.assignPodCidrs();
  for (const node of lab.nodes) {
    node.startAgent(["--metrics-bind-address", BIND]);
  }
  await settled(lab);
}
