/**
 * The cluster's name server as every cluster has it: CoreDNS in a Deployment,
 * behind the Service `kube-dns` whose address the kubelets hand to pods.
 *
 * @module
 */

import type { Cluster } from "./cluster.ts";
import type { ImageSpec } from "./images.ts";
import { CLUSTER_DNS } from "./node_files.ts";
import type { Tools } from "./tools.ts";

const IMAGE = "registry.k8s.io/coredns/coredns:tests";

/** The static program alone. */
export function corednsImage(tools: Tools): ImageSpec {
  return {
    name: IMAGE,
    files: { "/coredns": tools.path("coredns") },
    applets: [],
    entrypoint: ["/coredns"],
  };
}

/** No `forward`: there is nobody outside to ask. */
const COREFILE = `.:53 {
  errors
  health {
    lameduck 5s
  }
  ready
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
  }
  cache 30
  reload
}
`;

const NAMESPACE = "/api/v1/namespaces/kube-system";
const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const LABELS = { "k8s-app": "kube-dns" };

/** Resolves when it answers. The nodes have to have `corednsImage`. */
export async function startDns(cluster: Cluster): Promise<void> {
  const { admin } = cluster;
  await grantReading(cluster);
  await admin.create(`${NAMESPACE}/configmaps`, {
    metadata: { name: "coredns" },
    data: { Corefile: COREFILE },
  });
  await admin.create(`${NAMESPACE}/services`, service(cluster));
  const deployments = "/apis/apps/v1/namespaces/kube-system/deployments";
  await admin.create(deployments, deployment());
  await admin.until(
    `${deployments}/coredns`,
    ({ status }) => status.readyReplicas === 1,
    { what: "CoreDNS is Ready", withinMs: 60_000 },
  );
}

async function grantReading({ admin }: Cluster): Promise<void> {
  const name = "system:coredns";
  const read = (group: string, ...resources: readonly string[]): unknown => ({
    apiGroups: [group],
    resources,
    verbs: ["list", "watch"],
  });
  await admin.create(`${NAMESPACE}/serviceaccounts`, {
    metadata: { name: "coredns" },
  });
  await admin.create(`${RBAC}/clusterroles`, {
    metadata: { name },
    rules: [
      read("", "services", "pods", "namespaces"),
      read("discovery.k8s.io", "endpointslices"),
    ],
  });
  await admin.create(`${RBAC}/clusterrolebindings`, {
    metadata: { name },
    roleRef: {
      apiGroup: "rbac.authorization.k8s.io",
      kind: "ClusterRole",
      name,
    },
    subjects: [{
      kind: "ServiceAccount",
      name: "coredns",
      namespace: "kube-system",
    }],
  });
}

function service({ serviceFamilies }: Cluster): unknown {
  const clusterIPs = serviceFamilies.map((family) => CLUSTER_DNS[family]);
  const port = (name: string, protocol: string): unknown => ({
    ...{ name, protocol },
    port: 53,
  });
  return {
    metadata: { name: "kube-dns", labels: LABELS },
    spec: {
      selector: LABELS,
      ipFamilyPolicy: "PreferDualStack",
      clusterIP: clusterIPs[0],
      clusterIPs,
      ports: [port("dns", "UDP"), port("dns-tcp", "TCP")],
    },
  };
}

function deployment(): unknown {
  return {
    metadata: { name: "coredns", labels: LABELS },
    spec: {
      replicas: 1,
      selector: { matchLabels: LABELS },
      template: {
        metadata: { labels: LABELS },
        spec: {
          serviceAccountName: "coredns",
          dnsPolicy: "Default",
          terminationGracePeriodSeconds: 0,
          containers: [{
            name: "coredns",
            image: IMAGE,
            imagePullPolicy: "Never",
            args: ["-conf", "/etc/coredns/Corefile"],
            readinessProbe: {
              httpGet: { path: "/ready", port: 8181 },
              periodSeconds: 1,
            },
            volumeMounts: [{ name: "config", mountPath: "/etc/coredns" }],
          }],
          volumes: [{ name: "config", configMap: { name: "coredns" } }],
        },
      },
    },
  };
}
