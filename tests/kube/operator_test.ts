/**
 * From a laptop: what every agent of a cluster sees, asked through the API server
 * by a kubeconfig, with agents that are pods.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Child, run, type RunResult } from "../lab/exec.ts";
import { eventually } from "../lab/harness.ts";
import { agentProgram } from "../lab/lab.ts";
import { readDiagnosis } from "../support/pod_diagnosis.ts";
import { agentImage } from "./agent_image.ts";
import type { Cluster } from "./cluster.ts";
import { agentPod, NAMESPACE, rolledOut, saysOk } from "./daemonset.ts";
import type { KubeObject } from "./kube_api.ts";
import {
  allIsWell,
  allNamesNode,
  allNamesUnreachable,
  allReadsSettings,
} from "./doctor_all_steps.ts";
import { KUBELET_CONF } from "./kube_node.ts";
import { inOrder, withCluster } from "./harness.ts";
import { bind, byToken, deployAgents } from "./laptop.ts";
import {
  pairAway,
  pairFiltered,
  pairForwardDrop,
  pairRefuses,
  pairStands,
  pairUnreachable,
} from "./pair_steps.ts";

Deno.test("a laptop with a kubeconfig sees all agents", async (t) => {
  await withCluster({ images: [agentImage()] }, async (cluster) => {
    await inOrder(t, {
      "a cluster without agents is told in one sentence": () =>
        withoutAgents(cluster),
      "status --all shows each Node's view, by certificate and by token": () =>
        shows(cluster),
      "doctor in an agent's pod finds nothing, and makes all checks but those that docs/doctor.md names":
        () => examines(cluster),
      "doctor --all finds nothing where all is well, and tells once what was not looked at":
        () => allIsWell(cluster),
      "doctor --all names the Node whose sysctl and firewall are wrong": () =>
        allNamesNode(cluster),
      "doctor --all reads what the control plane's pods and kube-proxy are told, with evidence that shows it":
        () => allReadsSettings(cluster),
      "doctor --pair explains a path that stands, hop by hop": () =>
        pairStands(cluster),
      "doctor --pair refuses in one sentence what it cannot explain": () =>
        pairRefuses(cluster),
      "doctor --pair names the machine that drops what pods send": () =>
        pairForwardDrop(cluster),
      "graph --all draws the mesh, each format for its reader": () =>
        draws(cluster),
      "kubectl port-forward leads to the page that the agent has on its loopback":
        () => showsPage(cluster),
      "a missing right is named, that over pods, over exec, or all": () =>
        namesRights(cluster),
      "the kubeconfig of a node's own kubelet may not ask, and is told so":
        () => refusesKubelet(cluster),
      "who cannot reach whom is told with both ends' reasons, drawn in red, and in which direction UDP is filtered":
        () => tellsBreaks(cluster),
      "a kubelet that cannot be reached costs the answer of its own Node alone":
        () => tellsUnreachable(cluster),
      "a Node without a pod of the agent, and one whose pod does not run, are told":
        () => tellsAway(cluster),
    });
  });
});

async function all(
  command: "doctor" | "graph" | "status",
  kubeconfig: string,
  ...flags: readonly string[]
): Promise<RunResult> {
  return await run([
    ...[...agentProgram(), command, "--all", "--kubeconfig", kubeconfig],
    ...flags,
  ]);
}

async function statusAll(
  kubeconfig: string,
  ...flags: readonly string[]
): Promise<RunResult> {
  return await all("status", kubeconfig, ...flags);
}

/** What is drawn, whether all is well or not. */
async function graphAll(
  { kubeconfig }: Cluster,
  ...flags: readonly string[]
): Promise<string> {
  const { code, stdout, stderr } = await all("graph", kubeconfig, ...flags);
  assert.deepEqual([code, stderr], [0, ""]);
  return stdout;
}

function isOneSentence({ code, stdout, stderr }: RunResult): void {
  assert.deepEqual([code, stdout], [1, ""], stderr);
  assert.match(stderr, /^clusternet: [^\n]+\n$/);
}

async function withoutAgents({ kubeconfig }: Cluster): Promise<void> {
  for (const command of ["status", "graph", "doctor"] as const) {
    const ended = await all(command, kubeconfig);
    isOneSentence(ended);
    assert.match(ended.stderr, /No Node of the cluster .* another cluster\?/);
    const other = await all(command, kubeconfig, "--context", "elsewhere");
    isOneSentence(other);
    assert.match(other.stderr, /no context "elsewhere"/);
  }
}

/** Started before the first agent, as after a `kubectl apply`. */
function waits({ kubeconfig }: Cluster): Child {
  return new Child("status --all --wait", [
    ...[...agentProgram(), "status", "--all", "--kubeconfig", kubeconfig],
    ...["--wait", "--timeout", "5m"],
  ]);
}

async function shows(cluster: Cluster): Promise<void> {
  const waiting = waits(cluster);
  await waiting.line(/^waiting: No Node of the cluster .* runs clusternet/, {
    withinMs: 20_000,
  });
  await deployAgents(cluster);
  assert.equal(await waiting.ended, 0, waiting.lines.join("\n"));
  assert.match(waiting.lines.join("\n"), /^Every Node .* reaches every other/m);
  for (const file of [cluster.kubeconfig, await byToken(cluster)]) {
    const { code, stdout, stderr } = await statusAll(file, "-o", "json");
    assert.equal(code, 0, stderr + stdout);
    const view = JSON.parse(stdout);
    const seen = view.nodes.map((
      // deno-lint-ignore no-explicit-any
      { node, answer }: any,
    ) => [
      node.name,
      answer.status.node.name,
      ...answer.status.peers.map((peer: { node: string }) => peer.node),
    ]);
    assert.deepEqual(seen, [["n1", "n1", "n2"], ["n2", "n2", "n1"]]);
    assert.deepEqual(view.breaks, []);
  }
  const text = await statusAll(cluster.kubeconfig);
  assert.match(text.stdout, /^n1 +yes +1 +0 +0 /m);
  assert.match(text.stdout, /Every Node that was asked reaches every other/);
}

async function examines(cluster: Cluster): Promise<void> {
  for (const node of cluster.nodes) {
    const { name } = await agentPod(cluster, node);
    const said = await cluster.kubectl([
      ...["--namespace", NAMESPACE, "exec", name, "--"],
      ...["clusternet", "doctor"],
    ]);
    assert.equal(said, readDiagnosis());
  }
}

async function draws(cluster: Cluster): Promise<void> {
  const { nodes, tunnels } = JSON.parse(await graphAll(cluster, "-o", "json"));
  assert.deepEqual(
    nodes.map(({ name, kind, ready, peer }: KubeObject) => [
      ...[name, kind, ready, peer],
    ]),
    [["n1", "asked", true, true], ["n2", "asked", true, true]],
  );
  const [tunnel, ...more] = tunnels;
  assert.deepEqual([tunnel.a, tunnel.b, more], ["n1", "n2", []]);
  assert.notEqual(tunnel.state, "down");
  assert.ok(tunnel.aToBBytes > 0 && tunnel.bToABytes > 0, "they have spoken");
  const flags = ["--no-probe", "-o"];
  assert.match(await graphAll(cluster, ...flags, "svg"), /2 Nodes, 1 tunnels/);
  assert.match(await graphAll(cluster, ...flags, "dot"), /^ {2}n0 -- n1 \[/m);
  assert.match(await graphAll(cluster, ...flags, "mermaid"), /^ {2}n0 ---/m);
}

/** As `docs/graph.md` has it, but for a port of this machine that is free. */
async function showsPage(cluster: Cluster): Promise<void> {
  const [node] = cluster.nodes;
  assert.ok(node !== undefined);
  const { name } = await agentPod(cluster, node);
  const child = new Child(
    "kubectl port-forward",
    cluster.kubectlCommand([
      ...["--namespace", NAMESPACE, "port-forward", name, ":7839"],
    ]),
  );
  try {
    const line = await child.line(/^Forwarding from 127\.0\.0\.1:\d+/, {
      withinMs: 10_000,
    });
    const [, port] = /127\.0\.0\.1:(\d+) /.exec(line) ?? [];
    const page = await fetch(`http://localhost:${port}/`);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /<\/html>\s*$/);
    const status = await fetch(`http://localhost:${port}/v1/status`);
    assert.equal((await status.json()).node.name, node.name);
    const other = await run([
      ...["curl", "--silent", "--header", "Host: evil.example"],
      ...["--output", "/dev/null", "--write-out", "%{http_code}"],
      `http://127.0.0.1:${port}/`,
    ]);
    assert.equal(other.stdout, "421");
  } finally {
    await child.stop();
  }
}

/** It may read its own Node, and by the other kustomization list all; never pods. */
async function refusesKubelet({ nodes: [node] }: Cluster): Promise<void> {
  assert.ok(node !== undefined);
  for (const command of ["status", "graph", "doctor"] as const) {
    const ended = await node.space.run([
      ...[...node.settings.agent, command, "--all"],
      ...["--kubeconfig", KUBELET_CONF],
    ]);
    isOneSentence(ended);
    assert.match(ended.stderr, /Cannot list .*: 403 .*system:node:n1/);
  }
}

async function tellsUnreachable(cluster: Cluster): Promise<void> {
  const node = cluster.node("n2");
  await node.stop("kubelet");
  try {
    const { code, stdout } = await statusAll(cluster.kubeconfig);
    assert.equal(code, 1, stdout);
    assert.match(stdout, /^n1 +yes /m);
    assert.match(
      stdout,
      /^- n2: Cannot ask the agent in pod .*: .*(kubelet|connect).*$/m,
    );
    const { nodes, tunnels } = JSON.parse(
      await graphAll(cluster, "--no-probe", "-o", "json"),
    );
    assert.deepEqual(nodes.map(({ kind }: KubeObject) => kind), [
      ...["asked", "silent"],
    ]);
    assert.equal(tunnels[0].bSays.word, "unasked");
    const svg = await graphAll(cluster, "--no-probe");
    assert.match(svg, /! n2 could not be asked: Cannot ask the agent in pod/);
    await pairUnreachable(cluster);
    await allNamesUnreachable(cluster);
  } finally {
    await node.startKubelet();
  }
}

async function namesRights({ admin, plane }: Cluster): Promise<void> {
  const user = plane.kubeconfig("onlooker");
  const nothing = await statusAll(user);
  isOneSentence(nothing);
  assert.match(nothing.stderr, /Cannot list Nodes: 403 .*nodes/);
  const rules = [{ apiGroups: [""], resources: ["nodes"], verbs: ["list"] }];
  const roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
  await admin.create(roles, { metadata: { name: "onlooker" }, rules });
  await bind(admin, "onlooker", "onlooker", {
    apiGroup: "rbac.authorization.k8s.io",
    kind: "User",
    name: "onlooker",
  });
  const noPods = await eventually("the right over Nodes counts", async () => {
    const ended = await statusAll(user);
    return /list Nodes/.test(ended.stderr) ? undefined : ended;
  });
  isOneSentence(noPods);
  assert.match(noPods.stderr, /Cannot list the agents' pods: 403 .*pods/);
  const pods = { apiGroups: [""], resources: ["pods"], verbs: ["list"] };
  await admin.patch(`${roles}/onlooker`, { rules: [...rules, pods] });
  const noExec = await eventually("the right over pods counts", async () => {
    const ended = await statusAll(user);
    return ended.stdout === "" ? undefined : ended;
  });
  assert.equal(noExec.code, 1);
  assert.match(noExec.stdout, /^n1 +\? /m);
  assert.match(
    noExec.stdout,
    /- n1: Cannot ask the agent in pod clusternet\/\S+: 403 .*; grant pods\/exec create,get to onlooker/,
  );
  const get = { apiGroups: [""], resources: ["pods/exec"], verbs: ["get"] };
  await admin.patch(`${roles}/onlooker`, { rules: [...rules, pods, get] });
  const noCreate = await eventually("get alone does not do", async () => {
    const { stdout } = await statusAll(user);
    return /verb "?get|cannot get/.test(stdout) ? undefined : stdout;
  });
  assert.match(noCreate, /- n1: .*403 .*; grant pods\/exec create,get/);
}

async function tellsBreaks(cluster: Cluster): Promise<void> {
  const { space } = cluster.node("n2");
  const watching = new Child("status --all --watch", [
    ...[...agentProgram(), "status", "--all", "--watch"],
    ...["--kubeconfig", cluster.kubeconfig],
  ]);
  const withinMs = 30_000;
  await watching.line(/^Every Node .* reaches every other/, { withinMs });
  await space.sh(`
nft add table inet cut
nft 'add chain inet cut in { type filter hook input priority 0; }'
nft add rule inet cut in udp dport 7838 drop`);
  const { code, stdout } = await statusAll(cluster.kubeconfig);
  const flags = ["--no-probe", "-o"];
  const [tunnel] =
    JSON.parse(await graphAll(cluster, ...flags, "json")).tunnels;
  const svg = await graphAll(cluster, ...flags, "svg");
  const late = await statusAll(
    cluster.kubeconfig,
    ...["--wait", "--timeout", "2s"],
  );
  await watching.line(/^Who cannot reach whom: 1$/, { withinMs });
  await watching.stop();
  await pairFiltered(cluster);
  await space.sh("nft delete table inet cut");
  isOneSentence(late);
  assert.match(late.stderr, /Not all stands after 2 s: n1 and n2 do not reach/);
  const why = "no answer within 3 s";
  assert.deepEqual([tunnel.state, tunnel.aSays, tunnel.bSays], [
    ...["down", { word: "down", why }, { word: "down", why }],
  ]);
  assert.match(svg, /<g class="tunnel down" color="#cf222e">/);
  assert.match(svg, new RegExp(`n1 says down: ${why}; n2 says down: ${why}`));
  assert.equal(code, 1, stdout);
  assert.match(stdout, /Who cannot reach whom: 1\n! n1 and n2\n/);
  assert.match(stdout, /^ {2}n1 says: down: no answer within 3 s$/m);
  assert.match(stdout, /^ {2}n2 says: down: no answer within 3 s$/m);
  await eventually("they reach each other again", async () => {
    const { code } = await statusAll(cluster.kubeconfig);
    return code === 0 ? true : undefined;
  }, 30_000);
}

async function tellsAway(cluster: Cluster): Promise<void> {
  const template = async (spec: unknown): Promise<void> => {
    await cluster.kubectl([
      ...["--namespace", NAMESPACE, "patch", "daemonset", "clusternet"],
      ...["--patch", JSON.stringify({ spec: { template: { spec } } })],
    ]);
  };
  await template({ nodeSelector: { "kubernetes.io/hostname": "n1" } });
  const away = await eventually("n2 has no pod", async () => {
    const { stdout } = await statusAll(cluster.kubeconfig);
    return /n2: it has no pod/.test(stdout) ? stdout : undefined;
  }, 30_000);
  assert.match(away, /n2: it has no pod of the agent, but a public key/);
  // The agent of n1 is another one now, for the template is.
  await rolledOut(cluster);
  await saysOk(cluster, await agentPod(cluster, cluster.node("n1")));
  await pairAway(cluster);
  await template({
    nodeSelector: { "kubernetes.io/hostname": "n2" },
    containers: [{ name: "clusternet", image: "localhost/nowhere:1" }],
  });
  const broken = await eventually("n2's pod does not run", async () => {
    const { stdout } = await statusAll(cluster.kubeconfig);
    return /does not run: (Err)?Image/.test(stdout) ? stdout : undefined;
  }, 60_000);
  assert.match(broken, /n2: its pod clusternet\/\S+ does not run: (Err)?Image/);
}
