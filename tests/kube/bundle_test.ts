/**
 * From a laptop: the support bundles of all Nodes of a cluster in one, asked for
 * through the API server by a kubeconfig, with agents that are pods.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { must, run, type RunResult } from "../lab/exec.ts";
import { agentProgram } from "../lab/lab.ts";
import { agentImage } from "./agent_image.ts";
import type { Cluster } from "./cluster.ts";
import { agentPod, credentialsFile } from "./daemonset.ts";
import { inOrder, newFolder, withCluster } from "./harness.ts";
import { byToken, deployAgents } from "./laptop.ts";

const KEY_FILE = "/var/lib/clusternet/private.key";

Deno.test("a laptop with a kubeconfig has the support bundles of all Nodes", async (t) => {
  await withCluster({ images: [agentImage()] }, async (cluster) => {
    await deployAgents(cluster);
    await inOrder(t, {
      "by certificate: a folder for each Node, the cluster's view beside them, and no secret":
        () => hasAll(cluster, cluster.kubeconfig),
      "by token: the same": async () =>
        await hasAll(cluster, await byToken(cluster)),
      "of the Nodes that are named, on standard output": () =>
        hasNamed(cluster),
      "what it cannot use is told in one sentence, and nothing is written":
        () => refuses(cluster),
      "a kubelet that is away costs the bundle of its own Node alone, which is named":
        () => namesMissing(cluster),
    });
  });
});

async function supportBundle(
  kubeconfig: string,
  ...flags: readonly string[]
): Promise<RunResult> {
  return await run([
    ...[...agentProgram(), "support-bundle", "--all"],
    ...["--kubeconfig", kubeconfig, ...flags],
  ]);
}

/** By name, without the folder that all are in. */
async function unpacked(file: string): Promise<ReadonlyMap<string, string>> {
  const folder = newFolder();
  await must(["tar", "-xzf", file, "-C", folder, "--strip-components=1"]);
  const paths = (await must(["find", folder, "-type", "f"])).trim();
  return new Map(
    paths.split("\n").map((path) => [
      path.slice(folder.length + 1),
      Deno.readTextFileSync(path),
    ]),
  );
}

async function hasAll(cluster: Cluster, kubeconfig: string): Promise<void> {
  const file = join(newFolder(), "bundle.tar.gz");
  const { code, stderr, stdout } = await supportBundle(
    kubeconfig,
    ...["-o", file],
  );
  assert.deepEqual(
    [code, stdout, stderr],
    [0, "", `clusternet: Wrote ${file}\n`],
  );
  assert.equal((Deno.statSync(file).mode ?? 0) & 0o777, 0o600);
  const files = await unpacked(file);
  const text = (name: string): string => files.get(name) ?? "";
  for (const node of cluster.nodes) {
    const own = `nodes/${node.name}`;
    assert.equal(JSON.parse(text(`${own}/status.json`)).node.name, node.name);
    assert.match(text(`${own}/network/links.txt`), /^\d+: clusternet: up mtu/m);
    const peers = await node.space.must([
      ...["wg", "show", "clusternet", "peers"],
    ]);
    for (const peer of peers.trim().split("\n")) {
      assert.ok(text(`${own}/network/wireguard.txt`).includes(peer), peer);
    }
    const { name, nodeInfo } = JSON.parse(text(`${own}/system/node.json`));
    assert.equal(name, node.name);
    assert.match(nodeInfo.kubeletVersion, /^v1\./);
    assert.match(text(`${own}/cni/configurations.txt`), /"host-local"/);
    assert.ok(JSON.parse(text(`${own}/doctor.json`)).findings);
  }
  const view = JSON.parse(text("cluster/status.json"));
  assert.deepEqual(
    // deno-lint-ignore no-explicit-any
    view.nodes.map(({ answer, node }: any) => [node.name, answer.ready]),
    cluster.nodes.map(({ name }) => [name, true]),
  );
  assert.deepEqual([view.missing, view.breaks.count], [[], 0]);
  assert.match(text("cluster/status.txt"), /reaches every other/);
  await assertNoSecret(cluster, [...files.values()].join("\n"), kubeconfig);
}

/** Of the nodes, of the agents' pods, of whoever asks. */
async function assertNoSecret(
  cluster: Cluster,
  text: string,
  kubeconfig: string,
): Promise<void> {
  const secrets: string[] = [];
  for (const node of cluster.nodes) {
    secrets.push(await node.space.must(["cat", KEY_FILE]));
    const pod = await agentPod(cluster, node);
    secrets.push(Deno.readTextFileSync(credentialsFile(node, pod, "token")));
  }
  const { users: [{ user }] } = JSON.parse(Deno.readTextFileSync(kubeconfig));
  const own = user.token ?? user["client-key-data"];
  secrets.push(own, user.token ?? atob(own));
  assert.equal(secrets.length, 2 * cluster.nodes.length + 2);
  for (const secret of secrets.map((one) => one.trim())) {
    assert.ok(secret.length > 40);
    // Of a key in PEM a line is enough.
    for (const line of secret.split("\n").filter((one) => one.length > 30)) {
      assert.ok(!text.includes(line), line.slice(0, 8));
      assert.ok(!text.includes(btoa(line).replace(/=+$/, "")), "in base64");
    }
  }
  assert.doesNotMatch(text, /PRIVATE KEY-----/);
}

async function hasNamed({ kubeconfig }: Cluster): Promise<void> {
  const file = join(newFolder(), "stdout");
  const { code, stderr } = await run([
    ...["sh", "-c", 'to=$1; shift; exec "$@" > "$to"', "sh", file],
    ...[...agentProgram(), "support-bundle", "--all"],
    ...["--kubeconfig", kubeconfig, "--node", "n2", "-o", "-"],
  ]);
  assert.deepEqual([code, stderr], [0, ""]);
  const files = await unpacked(file);
  const folders = [...files.keys()].map((name) =>
    name.split("/").slice(0, 2).join("/")
  );
  assert.deepEqual([...new Set(folders)].sort(), [
    ...["cluster/status.json", "cluster/status.txt", "nodes/n2"],
  ]);
  const { nodes } = JSON.parse(files.get("cluster/status.json") ?? "");
  assert.equal(nodes[0].answer.why, "it was not asked");
}

async function refuses(cluster: Cluster): Promise<void> {
  const there = join(newFolder(), "there");
  await Deno.writeTextFile(there, "mine");
  const { kubeconfig } = cluster;
  const rows = [
    [1, /Cannot ask n9: the cluster at \S+ has no Node/, ["--node", "n1,n9"]],
    [1, /there is one of that name already$/m, ["-o", there]],
    [1, /no context "elsewhere"/, ["--context", "elsewhere"]],
    [2, /Cannot use --mtu with --all: it is that of this machine/, [
      ...["--mtu", "1400"],
    ]],
  ] as const;
  for (const [code, says, flags] of rows) {
    const ended = await supportBundle(kubeconfig, ...flags);
    assert.deepEqual([ended.code, ended.stdout], [code, ""], ended.stderr);
    assert.match(ended.stderr, says);
    assert.match(ended.stderr, /^clusternet: [^\n]+\n$/);
  }
  assert.equal(await Deno.readTextFile(there), "mine");
}

async function namesMissing(cluster: Cluster): Promise<void> {
  const node = cluster.node("n2");
  await node.stop("kubelet");
  try {
    const file = join(newFolder(), "bundle.tar.gz");
    const { code, stderr } = await supportBundle(
      cluster.kubeconfig,
      ...["-o", file],
    );
    assert.equal(code, 1, stderr);
    const [wrote, sentence, ...more] = stderr.split("\n");
    assert.equal(wrote, `clusternet: Wrote ${file}`);
    const why = /Cannot ask the agent in pod \S+: .*(kubelet|connect).*/.source;
    assert.match(
      sentence ?? "",
      new RegExp(`^clusternet: There is no bundle of 1 of 2 Nodes: n2: ${why}`),
    );
    assert.deepEqual(more, [""]);
    const files = await unpacked(file);
    const of = (name: string): readonly string[] =>
      [...files.keys()].filter((path) => path.startsWith(`nodes/${name}/`));
    assert.deepEqual(of("n2"), ["nodes/n2/not-asked.txt"]);
    assert.match(
      files.get("nodes/n2/not-asked.txt") ?? "",
      new RegExp(`^\\(not to be had: ${why}\\)\n$`),
    );
    assert.ok(of("n1").includes("nodes/n1/network/wireguard.txt"));
    const { missing } = JSON.parse(files.get("cluster/status.json") ?? "");
    assert.deepEqual(
      missing.map(({ node }: { node: string }) => node),
      ["n2"],
    );
  } finally {
    await node.startKubelet();
  }
}
