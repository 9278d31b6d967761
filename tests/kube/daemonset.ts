/**
 * The agent as pods of a cluster under test: the manifests of `deploy/`, with
 * what a cluster without kube-proxy and WireGuard in its kernel adds to them.
 *
 * @module
 */

import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "../lab/harness.ts";
import type { Cluster } from "./cluster.ts";
import { isReady, type KubeObject } from "./kube_api.ts";
import type { KubeNode } from "./kube_node.ts";
import { containerPid } from "./pods.ts";

const KUSTOMIZE = fileURLToPath(
  new URL("../../deploy/kustomize", import.meta.url),
);

export const NAMESPACE = "clusternet";

export interface AgentPod {
  readonly name: string;
  readonly uid: string;
  /** Of the agent itself, as this process sees it. */
  readonly pid: number;
  readonly restarts: number;
  /** As the API server has it. */
  readonly object: KubeObject;
}

/** A kustomization of one's own, as `docs/install.md` wants it. @param folder an empty one */
export function writeOverlay(
  folder: string,
  { plan, plane }: Cluster,
): void {
  const { hostname, port } = new URL(plane.url);
  const env = {
    CLUSTERNET_CLUSTER_CIDR: plan.clusterCidrs.join(","),
    // There is no kube-proxy that its Service would work by.
    KUBERNETES_SERVICE_HOST: hostname.replaceAll(/[[\]]/g, ""),
    KUBERNETES_SERVICE_PORT: port,
  };
  const at = (path: string): string => join(relative(folder, KUSTOMIZE), path);
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    resources: [at("base")],
    components: [at("components/wireguard-go")],
    patches: [{
      patch: JSON.stringify({
        apiVersion: "apps/v1",
        kind: "DaemonSet",
        metadata: { name: "clusternet", namespace: NAMESPACE },
        spec: {
          template: {
            spec: {
              containers: [{
                name: "clusternet",
                env: Object.entries(env).map(([name, value]) => ({
                  name,
                  value,
                })),
              }],
            },
          },
        },
      }),
    }],
  };
  Deno.writeTextFileSync(
    join(folder, "kustomization.yaml"),
    JSON.stringify(kustomization, null, 2),
  );
}

/** Until each node has an agent of the newest template. */
export async function rolledOut(cluster: Cluster): Promise<void> {
  await cluster.kubectl([
    ...["--namespace", NAMESPACE, "rollout", "status"],
    ...["daemonset/clusternet", "--timeout=60s"],
  ]);
}

/** The one that runs on that node, once `look` accepts it. */
export async function agentPod(
  { admin }: Cluster,
  node: KubeNode,
  look: (pod: AgentPod) => boolean = () => true,
): Promise<AgentPod> {
  const path = `/api/v1/namespaces/${NAMESPACE}/pods?fieldSelector=` +
    encodeURIComponent(`spec.nodeName=${node.name}`);
  return await eventually(`an agent runs on ${node.name}`, async () => {
    const { items } = await admin.get(path);
    const object = items.find((each: KubeObject) =>
      each.metadata.deletionTimestamp === undefined && isReady(each)
    );
    if (object === undefined) return undefined;
    const pid = await containerPid(node, object).catch(() => undefined);
    if (pid === undefined) return undefined; // ended in between
    const { name, uid } = object.metadata;
    const restarts = object.status.containerStatuses[0].restartCount;
    const pod = { name, uid, pid, restarts, object };
    return look(pod) ? pod : undefined;
  }, 60_000);
}

/** What it has said, as a person reads it. */
export async function logsOf(
  cluster: Cluster,
  { name }: AgentPod,
): Promise<string> {
  return await cluster.kubectl(["--namespace", NAMESPACE, "logs", name]);
}

/** Until it has said that all stands. */
export async function saysOk(cluster: Cluster, pod: AgentPod): Promise<void> {
  await eventually(`${pod.name} says that all stands`, async () => {
    const text = await logsOf(cluster, pod).catch(() => "");
    return /Ready: OK/.test(text) ? true : undefined;
  }, 30_000);
}

/** The file of a volume of that pod, as the node has it and the pod sees it. */
export function credentialsFile(
  node: KubeNode,
  { uid }: AgentPod,
  name: string,
): string {
  return node.space.outside(
    `/var/lib/kubelet/pods/${uid}/volumes/kubernetes.io~projected/credentials/${name}`,
  );
}
