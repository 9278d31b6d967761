/**
 * `status --all`, `graph --all` and `doctor --all` of many Nodes, each of whose
 * agents answers.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { PERMISSIONS, V8_FLAGS } from "../../deploy/permissions.ts";
import type { PeerStatus } from "../../mod/core/status.ts";
import type { Finding } from "../../mod/doctor/check.ts";
import { ApiServer } from "../fakes/api_server.ts";
import { ExecServer } from "../fakes/exec_server.ts";
import { kubeletNode } from "../support/kubelet_node.ts";
import { testKey } from "../support/nodes.ts";
import { statusOf } from "../support/statuses.ts";
import { tempDir } from "../support/temp_dir.ts";
import { run } from "./exec.ts";

const NODES = 5_000;

/** Others that each agent speaks of, so that this takes seconds; the rest it does not know. */
const PEERS = 100;

/** Nodes of a cluster of which all is written, and drawn. */
const FEWER = 600;

/** MB for the program's objects. All answers together would be several times that. */
const HEAP_MB = 96;

/** Its kubelet is away. */
const AWAY = 17;

/** As `testNode()` has it. */
const nameOf = (n: number): string => `node-${n}`;

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

function peer(n: number): PeerStatus {
  return {
    ...{ node: nameOf(n), publicKey: testKey(n), endpoint: "192.0.2.1:7838" },
    ...{ podCidrs: ["10.1.2.0/24"], linkAddress: "10.1.2.0" },
    ...{ handshakeSeconds: 12.3, receivedBytes: 5, sentBytes: n },
    ...{ state: "up", probe: null },
  };
}

/** Of each peer once: an answer is put together from these texts. */
const PEER_TEXTS = Array.from(
  { length: NODES },
  (_, at) => JSON.stringify(peer(at + 1)),
);

function answer(
  pod: string,
  command: readonly string[],
): Uint8Array | undefined {
  const n = Number(/\d+$/.exec(pod)?.[0]);
  if (n === AWAY) return undefined;
  if (command.includes("doctor")) return diagnosis(n);
  const peers = Array.from(
    { length: PEERS },
    (_, at) => PEER_TEXTS[(n + at) % NODES],
  );
  const status = { ...statusOf(1), peers: [] };
  const text = JSON.stringify(status).replace(
    '"peers":[]',
    `"peers":[${peers.join()}]`,
  );
  return new TextEncoder().encode(text);
}

/** Each has a finding of its own words, and node-9 another one; with evidence at length. */
function diagnosis(n: number): Uint8Array {
  const evidence = [{
    command: "kubectl get nodes",
    output: `${nameOf(n)} is one line of many\n`.repeat(400),
  }];
  const of = (code: string, sentence: string): Finding => ({
    ...{ code, severity: "warning", sentence, evidence },
    cure: "wait",
  });
  const findings = [of("nodes-unused", `Node x of ${nameOf(n)} is not used`)];
  if (n === 9) findings.push(of("key-file", "Others may read the private key"));
  const notMade = [{ code: "denials", why: "there is no dmesg here" }];
  const text = JSON.stringify({ schema: 1, findings, made: 51, notMade });
  return new TextEncoder().encode(text);
}

interface Cluster extends AsyncDisposable {
  readonly server: ExecServer;
  /** A command for a shell. */
  all(command: string, ...more: readonly string[]): string;
}

async function clusterOf(nodes: number): Promise<Cluster> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await tempDir());
  const api = stack.use(ApiServer.start());
  for (let n = 1; n <= nodes; n++) api.store.put(nameOf(n), kubeletNode(n));
  const pods = Array.from({ length: nodes }, (_, at) => ({
    metadata: { namespace: "clusternet", name: `clusternet-${at + 1}` },
    spec: { nodeName: nameOf(at + 1), containers: [{ name: "clusternet" }] },
    status: {
      phase: "Running",
      containerStatuses: [{ name: "clusternet", state: { running: {} } }],
    },
  }));
  const server = stack.use(new ExecServer({ api, pods, answer }));
  const kubeconfig = `${dir.path}/kubeconfig`;
  Deno.writeTextFileSync(
    kubeconfig,
    JSON.stringify({
      clusters: [{ name: "c", cluster: { server: server.url } }],
      users: [{ name: "u", user: {} }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    }),
  );
  const program = [
    ...[Deno.execPath(), "run", "--cached-only", "--no-prompt", "--quiet"],
    ...[`${V8_FLAGS},--max-old-space-size=${HEAP_MB}`, ...PERMISSIONS, MAIN],
  ];
  const options = ["--all", "--kubeconfig", kubeconfig];
  const kept = stack.move();
  return {
    server,
    all: (command, ...more) =>
      [...program, command, ...options, ...more].map((word) => `'${word}'`)
        .join(" "),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

Deno.test("status --all asks 5,000 agents, a few at once, in bounded memory, and tells it on a page", async () => {
  await using cluster = await clusterOf(NODES);
  const { all, server } = cluster;
  const begin = performance.now();
  const { code, stdout, stderr } = await run([
    "sh",
    "-c",
    all("status", "--no-probe"),
  ]);
  console.log(`${Math.round(performance.now() - begin)} ms`);
  assert.deepEqual([code, stderr], [1, ""]);
  assert.match(stdout, /^5,000 Nodes: 4,999 ready, 1 gave no answer$/m);
  assert.match(stdout, /^- node-17: .* cannot reach the node's kubelet \(500/m);
  // Only what node-17 would have said is not known to be broken.
  assert.match(stdout, /^Who cannot reach whom: 12,497,400$/m);
  assert.ok(stdout.split("\n").length < 200, stdout.slice(0, 2_000));
  assert.equal(server.started, NODES - 1);
  assert.ok(server.most <= 64, `${server.most} at once`);

  const unread = await run([
    ...["sh", "-c", `${all("status", "--no-probe", "-o", "json")} | head -n 1`],
  ]);
  assert.deepEqual([unread.stdout, unread.stderr], ["{\n", ""]);
  assert.ok(server.started < 1.5 * NODES, "it asks nobody for who has gone");
});

Deno.test("status --all -o json has a Node a line, by name and whole; graph --all draws them", async () => {
  await using cluster = await clusterOf(FEWER);
  const { all } = cluster;
  const command = all("status", "--no-probe", "-o", "json");
  const { code, stdout, stderr } = await run(["sh", "-c", command]);
  assert.deepEqual([code, stderr], [1, ""]);
  const [, , , , first, ...lines] = stdout.split("\n");
  assert.equal(first, '"nodes": [');
  const names = lines.slice(0, FEWER).map((line) => {
    const { answer, node } = JSON.parse(line.replace(/,$/, ""));
    if (node.name !== nameOf(AWAY)) {
      assert.equal(answer.status.peers.length, PEERS);
    }
    return node.name;
  });
  assert.deepEqual(names, names.toSorted());
  const view = JSON.parse(stdout);
  assert.equal(view.nodes.length, FEWER);
  // Here only those before it speak of node-17.
  const known = AWAY - 1;
  assert.equal(view.breaks.length, FEWER * (FEWER - 1) / 2 - known);

  const drawn = await run(["sh", "-c", all("graph", "--no-probe")]);
  assert.deepEqual([drawn.code, drawn.stderr], [0, ""]);
  assert.ok(drawn.stdout.length < 8_000_000);
  assert.match(drawn.stdout, /a cell is the worst of 2 by 2 Nodes/);
});

Deno.test("doctor --all examines 5,000 Nodes, a few at once, in bounded memory, and tells it on a page", async () => {
  await using cluster = await clusterOf(NODES);
  const { all, server } = cluster;
  const { code, stdout, stderr } = await run(["sh", "-c", all("doctor")]);
  assert.deepEqual([code, stderr], [1, ""]);
  const lines = stdout.split("\n");
  assert.ok(lines.length < 60, stdout.slice(0, 2_000));
  assert.match(lines[0] ?? "", /^\S+ {2}2 found, 1 could not be examined$/);
  assert.match(
    stdout,
    /^1\. Others may read the private key \[key-file, warning\]\n {3}On node-9\n/m,
  );
  assert.match(
    stdout,
    /^2\. Amiss on all 4,999 Nodes: Nodes that are no peers, and why \[nodes-unused, warning\]\n {3}- node-1: Node x of node-1 is not used\n {5}node-1 \$ kubectl get nodes\n(.*node-1 is one line of many\n){8}.*… and 392 more\n/m,
  );
  assert.match(stdout, /^ {3}… and 4,994 more: -o json has all$/m);
  assert.match(stdout, /^- node-17: .* cannot reach the node's kubelet \(500/m);
  assert.match(stdout, /^Not made on all 4,999 Nodes: denials: there is no/m);
  // The doctor and the status of each.
  assert.equal(server.started, 2 * (NODES - 1));
  assert.ok(server.most <= 64, `${server.most} at once`);

  const unread = await run([
    ...["sh", "-c", `${all("doctor", "-o", "json")} | head -n 2`],
  ]);
  assert.deepEqual([unread.stdout, unread.stderr], ['{\n"schema": 1,\n', ""]);
  assert.ok(server.started < 3 * NODES, "it asks nobody for who has gone");
});

Deno.test("doctor --all -o json has a Node a line, by name and whole, then the cluster itself", async () => {
  await using cluster = await clusterOf(FEWER);
  const command = cluster.all("doctor", "-o", "json");
  const { code, stdout, stderr } = await run(["sh", "-c", command]);
  assert.deepEqual([code, stderr], [1, ""]);
  const { cluster: own, nodes, schema, server, time } = JSON.parse(stdout);
  assert.deepEqual([schema, server], [1, cluster.server.url]);
  assert.match(time, /^\d{4}-\d\d-\d\dT/);
  const [, , , , ...lines] = stdout.split("\n");
  assert.equal(lines.shift(), '"nodes": [');
  const names = lines.slice(0, FEWER).map((line) =>
    JSON.parse(line.replace(/,$/, "")).node
  );
  assert.deepEqual(names, names.toSorted());
  for (const { node, ...rest } of nodes) {
    const keys = node === nameOf(AWAY) ? ["why"] : [
      ...["findings", "made", "notMade"],
    ];
    assert.deepEqual(Object.keys(rest), keys, node);
  }
  assert.equal(nodes[0].findings[0].evidence[0].output.split("\n").length, 401);
  assert.deepEqual(Object.keys(own), ["findings", "notMade", "made"]);

  // What no machine is needed for takes no doctor there.
  const { started } = cluster.server;
  const only = cluster.all("doctor", "--only", "agents-version,cidr-nodes");
  const asked = await run(["sh", "-c", only]);
  assert.deepEqual([asked.code, asked.stderr], [1, ""]);
  assert.match(asked.stdout, /^\S+ {2}1 could not be examined$/m);
  assert.match(
    asked.stdout,
    /^599 Nodes asked for what they are set to, the cluster itself by 2 checks\.$/m,
  );
  assert.equal(cluster.server.started, started + FEWER - 1);
});
