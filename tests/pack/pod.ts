/**
 * The agent's pod as a DaemonSet asks for it: the network of its node, no right
 * but CAP_NET_ADMIN, a root that nobody can write to, and those paths of the
 * node that it works on. The lab's nodes keep some of them elsewhere than real
 * ones do.
 *
 * @module
 */

import { API_PORT, LAB_MARK } from "../lab/lab.ts";
import type { LabNode } from "../lab/node.ts";
import { SERVICE_ACCOUNT_DIR } from "../lab/service_account.ts";
import { nodeDir } from "../lab/underlay.ts";

export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly readOnly?: boolean;
}

export interface Pod {
  /** Of the container; no other has it. */
  readonly id: string;
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly capabilities: readonly string[];
  /** Bytes. */
  readonly memoryLimit: number;
}

/** Variable by which the processes of a container are found. */
export const CONTAINER_MARK = "LAB_CONTAINER";

export const PROC_SYS_NET = "/host/proc/sys/net";

export const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

export function agentPod(node: LabNode): Pod {
  const { settings, plan } = node;
  const run = settings.env[LAB_MARK] ?? "";
  const id = `${run}-${node.name}-${crypto.randomUUID().slice(0, 8)}`;
  const dir = nodeDir(plan);
  return {
    id,
    env: {
      [LAB_MARK]: run,
      [CONTAINER_MARK]: id,
      NODE_NAME: node.name,
      KUBERNETES_SERVICE_HOST: settings.plan.apiAddress,
      KUBERNETES_SERVICE_PORT: String(API_PORT),
      CLUSTERNET_CLUSTER_CIDR: settings.plan.clusterCidrs.join(","),
      CLUSTERNET_PROC_SYS_NET: PROC_SYS_NET,
    },
    mounts: [
      { source: `${dir}/state`, target: "/var/lib/clusternet" },
      { source: `${dir}/net.d`, target: "/etc/cni/net.d" },
      { source: "/run/clusternet", target: "/run/clusternet" },
      { source: "/run/clusternet-cni", target: "/run/clusternet-cni" },
      { source: "/proc/sys/net", target: PROC_SYS_NET },
      { source: settings.pluginDir, target: "/opt/cni/bin", readOnly: true },
      // The socket of wireguard-go; with the kernel's WireGuard there is none.
      { source: "/run/wireguard", target: "/run/wireguard" },
      { source: SERVICE_ACCOUNT_DIR, target: SERVICE_ACCOUNT, readOnly: true },
    ],
    capabilities: ["CAP_NET_ADMIN"],
    memoryLimit: 64 * 1024 * 1024,
  };
}

/** The same pod without what it mounts there. */
export function withoutMount(pod: Pod, target: string): Pod {
  return {
    ...pod,
    mounts: pod.mounts.filter((mount) => mount.target !== target),
  };
}
