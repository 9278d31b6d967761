/**
 * `clusternet doctor --all` on a cluster whose agents are pods: nothing where all
 * is well, and what is broken for real, on one node or in the cluster's settings.
 *
 * @module
 */

import assert from "node:assert/strict";
import { isOfCluster } from "../../mod/cli/doctor_cluster.ts";
import type { Diagnosis, Finding } from "../../mod/doctor/check.ts";
import { ALL_CHECKS, CHECKS } from "../../mod/doctor/checks.ts";
import { run, type RunResult, SHELL } from "../lab/exec.ts";
import { eventually } from "../lab/harness.ts";
import { agentProgram } from "../lab/lab.ts";
import { readDiagnosis } from "../support/pod_diagnosis.ts";
import type { Cluster } from "./cluster.ts";
import type { KubeObject } from "./kube_api.ts";

interface Answer {
  readonly schema: number;
  readonly nodes: readonly (
    & { readonly node: string; readonly why?: string }
    & Partial<Diagnosis>
  )[];
  readonly cluster: Diagnosis;
}

/** Of the settings that no agent's pod sees, and this cluster has no pods that show. */
const SETTINGS = [
  ...["cidr-services", "cidr-controller"],
  ...["kube-proxy-cidr", "apiserver-address-types"],
];

function command(
  { kubeconfig }: Pick<Cluster, "kubeconfig">,
  ...flags: readonly string[]
): readonly string[] {
  return [
    ...[...agentProgram(), "doctor", "--all", "--kubeconfig", kubeconfig],
    ...flags,
  ];
}

async function text(
  cluster: Cluster,
  ...flags: readonly string[]
): Promise<RunResult> {
  const ended = await run(command(cluster, ...flags));
  assert.equal(ended.stderr, "");
  return ended;
}

async function answered(
  cluster: Cluster,
  code: number,
  ...flags: readonly string[]
): Promise<Answer> {
  const ended = await text(cluster, "-o", "json", ...flags);
  assert.equal(ended.code, code, ended.stdout);
  return JSON.parse(ended.stdout);
}

function codesOf(findings: readonly Finding[] = []): readonly string[] {
  return findings.map(({ code }) => code);
}

/** Nothing is found, and what is not made is told once. */
export async function allIsWell(cluster: Cluster): Promise<void> {
  const { schema, nodes, cluster: own } = await answered(cluster, 0);
  assert.equal(schema, 1);
  assert.deepEqual(
    nodes.map(({ node, findings, why }) => [node, findings, why]),
    [["n1", [], undefined], ["n2", [], undefined]],
  );
  for (const { made, notMade } of nodes) {
    assert.equal((made ?? 0) + (notMade?.length ?? 0), CHECKS.length);
  }
  assert.deepEqual([own.findings, own.notMade.map(({ code }) => code)], [
    ...[[], SETTINGS],
  ]);
  const { code, stdout } = await text(cluster);
  assert.equal(code, 0, stdout);
  const [, made] = /^Nothing found by (\d+) checks\./.exec(readDiagnosis()) ??
    [];
  const lines = stdout.trimEnd().split("\n");
  assert.match(lines[0] ?? "", /^https:\/\/\S+ {2}nothing found$/);
  assert.equal(
    lines[2],
    `2 Nodes examined by ${made} checks each, the cluster itself by ${own.made}.`,
  );
  const skipped = lines.slice(3);
  assert.ok(skipped.length <= 6, stdout);
  assert.ok(
    skipped.every((line) =>
      /^Not made (on all 2 Nodes|in the cluster itself): /.test(line)
    ),
    stdout,
  );
  // A pipe that nobody reads to its end.
  const script = 'exec 3>&1; { "$@"; echo $? >&3; } | head -c 4';
  const piped = await run([
    ...[SHELL, "-c", script, "sh"],
    ...command(cluster, "-o", "json", "--only", "agents-version"),
  ]);
  assert.deepEqual([piped.stdout, piped.stderr], ['{\n"s0\n', ""]);
}

/** On n2: a sysctl, and the firewall. In a few lines of a narrow terminal, without colour. */
export async function allNamesNode(cluster: Cluster): Promise<void> {
  const { space } = cluster.node("n2");
  const rpFilter = "/proc/sys/net/ipv4/conf/clusternet/rp_filter";
  await space.sh(`echo 1 > ${rpFilter}
iptables-nft -I FORWARD -j ACCEPT; iptables-nft -P FORWARD DROP; iptables-nft -F FORWARD`);
  const { nodes, cluster: own } = await answered(cluster, 1);
  const shown = await text(cluster);
  const narrow = await run(command(cluster, "--only", "forward-drop"), {
    env: { COLUMNS: "50", NO_COLOR: "1" },
  });
  await space.sh(`echo 0 > ${rpFilter}
iptables-nft -P FORWARD ACCEPT; nft delete table ip filter`);
  assert.deepEqual(
    nodes.map(({ node, findings }) => [node, codesOf(findings)]),
    [
      ["n1", []],
      ["n2", ["rp-filter", "forward-drop"]],
    ],
  );
  assert.deepEqual(own.findings, []);
  assert.equal(shown.code, 1, shown.stdout);
  assert.match(shown.stdout, /^\S+ {2}2 found\n/);
  assert.match(
    shown.stdout,
    /^1\. .*rp_filter is strict on clusternet.* \[rp-filter.*\]\n {3}On n2\n {3}n2 \$ .+\n(.+\n)* {3}→ /m,
  );
  assert.match(shown.stdout, /^2\. .*drops what is forwarded.*\n {3}On n2$/m);
  assert.equal(narrow.code, 1, narrow.stderr);
  assert.match(narrow.stdout, /\[forward-drop\]/);
  const wide = narrow.stdout.split("\n").filter(({ length }) => length > 50);
  assert.deepEqual(wide, []);
  await quietAgain(cluster);
}

async function quietAgain(cluster: Cluster): Promise<void> {
  await eventually("nothing is found any more", async () => {
    const { code } = await text(cluster);
    return code === 0 ? true : undefined;
  }, 60_000);
}

/** As kubeadm's static pods are to be seen; nobody has to run them. */
function staticPod(
  program: string,
  ...flags: readonly string[]
): KubeObject {
  return {
    metadata: {
      name: `${program}-n1`,
      namespace: "kube-system",
      labels: { component: program, tier: "control-plane" },
    },
    spec: {
      schedulerName: "nobody",
      containers: [{
        name: program,
        image: `registry.example/${program}:1`,
        command: [program, ...flags],
      }],
    },
  };
}

/** The control plane's pods, and kube-proxy's ConfigMap. */
export async function allReadsSettings(cluster: Cluster): Promise<void> {
  const { admin, plan } = cluster;
  const kubeSystem = "/api/v1/namespaces/kube-system";
  const ours = plan.clusterCidrs.join(",");
  const wrong = [
    staticPod(
      "kube-apiserver",
      "--kubelet-preferred-address-types=Hostname",
      `--service-cluster-ip-range=${plan.clusterCidrs[0]}`,
    ),
    staticPod("kube-controller-manager", "--cluster-cidr=10.244.0.0/16"),
  ];
  for (const pod of wrong) await admin.create(`${kubeSystem}/pods`, pod);
  await admin.create(`${kubeSystem}/configmaps`, proxyConfig("10.245.0.0/16"));
  const { nodes, cluster: own } = await answered(cluster, 1);
  assert.deepEqual(nodes.flatMap(({ findings }) => findings), []);
  assert.deepEqual(own.notMade, []);
  assert.equal(own.made, ALL_CHECKS.filter(isOfCluster).length);
  assert.deepEqual(codesOf(own.findings), SETTINGS);
  assert.match(
    own.findings[1]?.sentence ?? "",
    new RegExp(
      `^kube-controller-manager gives podCIDRs from 10\\.244\\.0\\.0/16, the agent has the cluster CIDR ${ours}$`,
    ),
  );
  for (const { evidence } of own.findings) {
    for (const { command, output } of evidence) {
      const shown = await asTyped(cluster, command);
      assert.ok(shown.includes(output), `${command}\n${shown}`);
    }
  }
  const { stdout } = await text(cluster, "--only", "apiserver-address-types");
  assert.match(
    stdout,
    /^1\. kube-apiserver asks kubelets by Hostname .* \[apiserver-address-types, warning\]\n {3}In the cluster itself\n {3}\$ kubectl -n kube-system get pod kube-apiserver-n1 -o yaml \| grep kubelet-preferred-address-types\n/m,
  );
  assert.match(stdout, /^2 Nodes asked for what they are set to, the cluster/m);
  for (const { metadata } of wrong) {
    await admin.delete(
      `${kubeSystem}/pods/${metadata.name}?gracePeriodSeconds=0`,
    );
  }
  await admin.delete(`${kubeSystem}/configmaps/kube-proxy`);
  await allIsWell(cluster);
}

function proxyConfig(clusterCidr: string): Readonly<Record<string, unknown>> {
  return {
    metadata: { name: "kube-proxy" },
    data: {
      "config.conf":
        `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nclusterCIDR: ${clusterCidr}\ndetectLocalMode: ""\n`,
    },
  };
}

/** What a person sees who types that. */
async function asTyped(cluster: Cluster, line: string): Promise<string> {
  const [first = "", ...rest] = line.split(" | ");
  const words = first.split(" ");
  assert.equal(words.shift(), "kubectl", line);
  const kubectl = [...cluster.kubectlCommand(words)];
  const script = ['"$@"', ...rest].join(" | ");
  const { stdout } = await run([SHELL, "-c", script, "sh", ...kubectl]);
  return stdout;
}

/** n2's kubelet does not run. */
export async function allNamesUnreachable(cluster: Cluster): Promise<void> {
  const { nodes } = await answered(cluster, 1, "--only", "rbac,agents-version");
  const [n1, n2] = nodes;
  assert.deepEqual([n1?.node, n1?.findings, n1?.made], ["n1", [], 1]);
  assert.equal(n2?.node, "n2");
  assert.match(n2?.why ?? "", /^Cannot ask the agent in pod \S+: /);
  const { code, stdout } = await text(cluster, "--only", "agents-version");
  assert.equal(code, 1);
  assert.match(stdout, /^\S+ {2}1 could not be examined\n/);
  assert.match(stdout, /^Not examined: 1\n- n2: Cannot ask the agent in pod /m);
}
