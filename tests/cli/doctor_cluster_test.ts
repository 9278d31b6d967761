import assert from "node:assert/strict";
import { examineCluster, isOfCluster } from "../../mod/cli/doctor_cluster.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import type { Diagnosis } from "../../mod/doctor/check.ts";
import { ALL_CHECKS } from "../../mod/doctor/checks.ts";
import type { AgentSettings } from "../../mod/doctor/facts.ts";
import { systemClock as clock } from "../../mod/sys/clock.ts";
import { openKubeAccess } from "../../mod/sys/kube_auth.ts";
import { NODE } from "../support/agent_pods.ts";

const CHECKS = ALL_CHECKS.filter(isOfCluster);

const WELL: NodeRecord = {
  ...NODE,
  internalIps: ["192.0.2.1"],
  podCidrs: ["10.0.1.0/24"],
};

function agent(node: string, ...clusterCidrs: string[]): AgentSettings {
  return {
    ...{ node, pod: { namespace: "clusternet", name: `clusternet-${node}` } },
    ...{ version: "0.1.0", clusterCidrs, listenPort: 7_838 },
  };
}

/** Of a pod with one container. */
function pod(
  name: string,
  container: Readonly<Record<string, unknown>>,
): unknown {
  return { metadata: { name }, spec: { containers: [container] } };
}

interface Settings {
  /** By the value of the label. */
  readonly pods?: Readonly<Record<string, readonly unknown[]>>;
  readonly config?: string;
  readonly refused?: boolean;
}

const FORBIDDEN =
  'pods is forbidden: User "onlooker" cannot list resource "pods" in API group "" in the namespace "kube-system"';

/** An API server that has these, asked by one who may, or may not, read them. */
async function examined(
  { config, pods = {}, refused = false }: Settings,
  settings: readonly AgentSettings[],
  nodes: readonly NodeRecord[] = [WELL],
): Promise<Diagnosis> {
  const away = (code: number, reason: string, message: string): Response =>
    Response.json({ kind: "Status", code, reason, message }, { status: code });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) => {
      const { pathname, searchParams } = new URL(url);
      if (refused) return away(403, "Forbidden", FORBIDDEN);
      if (pathname === "/api/v1/namespaces/kube-system/pods") {
        const [, value = ""] = searchParams.get("labelSelector")?.split("=") ??
          [];
        return Response.json({ kind: "PodList", items: pods[value] ?? [] });
      }
      const there = config !== undefined &&
        pathname === "/api/v1/namespaces/kube-system/configmaps/kube-proxy";
      return there
        ? Response.json({ data: { "config.conf": config } })
        : away(404, "NotFound", "not found");
    },
  );
  const access = await openKubeAccess({
    ...{ clock, kubeconfig: undefined, env: {} },
    server: `http://127.0.0.1:${server.addr.port}`,
  });
  return await examineCluster(CHECKS, settings, { access, nodes });
}

function codesOf(
  list: readonly { readonly code: string }[],
): readonly string[] {
  return list.map(({ code }) => code);
}

/** As kubeadm writes them. */
const KUBEADM = {
  "kube-apiserver": [pod("kube-apiserver-n1", {
    name: "kube-apiserver",
    command: [
      "kube-apiserver",
      "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
      "--service-cluster-ip-range=10.96.0.0/12",
    ],
  })],
  "kube-controller-manager": [pod("kube-controller-manager-n1", {
    name: "kube-controller-manager",
    command: ["kube-controller-manager", "--cluster-cidr=10.0.0.0/16"],
  })],
  "kube-proxy": [pod("kube-proxy-x", {
    name: "kube-proxy",
    command: ["/usr/local/bin/kube-proxy", "--config=/var/lib/kube-proxy/c"],
  })],
};

const PROXY = "apiVersion: x\nclusterCIDR: 10.0.0.0/16\nmode: nftables\n";

Deno.test("examineCluster() finds nothing in the settings of a cluster by kubeadm, and makes all checks", async () => {
  const { findings, made, notMade } = await examined(
    { pods: KUBEADM, config: PROXY },
    [agent("n1", "10.0.0.0/16")],
  );
  assert.deepEqual([findings, notMade, made], [[], [], CHECKS.length]);
});

Deno.test("examineCluster() holds all settings against the cluster CIDR that most agents have", async () => {
  const { findings, notMade } = await examined(
    {
      config: PROXY,
      pods: {
        ...KUBEADM,
        "kube-apiserver": [
          ...KUBEADM["kube-apiserver"],
          // Its image starts the program.
          pod("kube-apiserver-n2", {
            name: "kube-apiserver",
            args: [
              ...["--kubelet-preferred-address-types", "Hostname"],
              "--service-cluster-ip-range=10.9.0.0/16",
            ],
          }),
        ],
      },
    },
    [
      agent("n1", "10.0.0.0/16"),
      ...[agent("n2", "10.9.0.0/16"), agent("n3", "10.9.0.0/16")],
    ],
    [{ ...WELL, podCidrs: [] }],
  );
  assert.deepEqual(notMade, []);
  assert.deepEqual(codesOf(findings), [
    ...["ipam-off", "agents-cluster-cidr", "cidr-services"],
    ...["cidr-controller", "kube-proxy-cidr", "apiserver-address-types"],
  ]);
  assert.equal(
    findings.at(-1)?.evidence[0]?.command,
    "kubectl -n kube-system get pod kube-apiserver-n2 -o yaml | grep -A1 kubelet-preferred-address-types",
  );
});

Deno.test("examineCluster() says why it could not look: no such pods, or no right", async () => {
  const settings = [agent("n1", "10.0.0.0/16")];
  const none = await examined({}, settings);
  assert.deepEqual(codesOf(none.notMade), [
    ...["cidr-services", "cidr-controller"],
    ...["kube-proxy-cidr", "apiserver-address-types"],
  ]);
  const why = Map.groupBy(none.notMade, ({ why }) => why);
  assert.equal(why.size, 2);
  assert.match(
    none.notMade[0]?.why ?? "",
    /^kube-system has no pod that shows it \(labels component=kube-apiserver and component=kube-controller-manager\)/,
  );
  const script = { name: "kube-apiserver", command: ["/bin/sh", "-c", "x"] };
  const { "kube-controller-manager": managers } = KUBEADM;
  const one = await examined({
    pods: {
      "kube-apiserver": [pod("kube-apiserver-n1", script)],
      "kube-controller-manager": managers,
    },
    config: PROXY,
  }, settings);
  assert.deepEqual(codesOf(one.notMade), ["apiserver-address-types"]);
  assert.match(one.notMade[0]?.why ?? "", /\(label component=kube-apiserver\)/);
  const refused = await examined({ refused: true }, settings);
  assert.match(
    refused.notMade[0]?.why ?? "",
    /^Cannot list pods of kube-system: 403 Forbidden: .*; grant pods list to onlooker$/,
  );
});

Deno.test("examineCluster() judges no range where no agent says its own", async () => {
  const { findings, notMade } = await examined(
    { pods: KUBEADM, config: PROXY },
    [],
  );
  assert.deepEqual(findings, []);
  assert.deepEqual(
    codesOf(notMade),
    codesOf(CHECKS).filter((code) => code !== "apiserver-address-types"),
  );
  assert.equal(notMade[0]?.why, "no agent says what it is set to");
});
