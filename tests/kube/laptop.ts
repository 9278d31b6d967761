/**
 * A laptop with a kubeconfig, and a cluster whose agents are pods that it can ask.
 *
 * @module
 */

import { join } from "node:path";
import type { Cluster } from "./cluster.ts";
import { kubeconfigText } from "./credentials.ts";
import { agentPod, rolledOut, saysOk, writeOverlay } from "./daemonset.ts";
import { newFolder } from "./harness.ts";

const RBAC = "rbac.authorization.k8s.io";

/** Returns when every agent is well. */
export async function deployAgents(cluster: Cluster): Promise<void> {
  const folder = newFolder();
  writeOverlay(folder, cluster);
  await cluster.kubectl(["apply", "--kustomize", folder]);
  await rolledOut(cluster);
  await cluster.ready();
  for (const node of cluster.nodes) {
    await saysOk(cluster, await agentPod(cluster, node));
  }
}

/** A kubeconfig with the token of a ServiceAccount that may do all. */
export async function byToken({ admin, plane }: Cluster): Promise<string> {
  const accounts = "/api/v1/namespaces/default/serviceaccounts";
  const account = { name: "laptop", namespace: "default" };
  await admin.create(accounts, { metadata: account });
  await bind(admin, "laptop", "cluster-admin", {
    kind: "ServiceAccount",
    ...account,
  });
  const { status: { token } } = await admin.create(
    `${accounts}/laptop/token`,
    {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: {},
    },
  );
  const file = join(newFolder(), "kubeconfig");
  await Deno.writeTextFile(
    file,
    kubeconfigText(plane.url, plane.credentials.ca, { token }),
  );
  return file;
}

/** Gives that ClusterRole to the subject. @param name of the binding */
export async function bind(
  admin: Cluster["admin"],
  name: string,
  role: string,
  subject: Readonly<Record<string, string>>,
): Promise<void> {
  await admin.create(`/apis/${RBAC}/v1/clusterrolebindings`, {
    metadata: { name },
    roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: role },
    subjects: [subject],
  });
}
