/**
 * Who may do what: bindings, and those of a cluster's kubelets as kubeadm has them.
 *
 * @module
 */

import type { KubeApi } from "./kube_api.ts";

/** Kubelets get their certificates by asking for them, and renew them themselves. */
export async function allowKubelets(admin: KubeApi): Promise<void> {
  const csr = "system:certificates.k8s.io:certificatesigningrequests";
  const bindings: readonly (readonly [string, string])[] = [
    ["system:bootstrappers", "system:node-bootstrapper"],
    ["system:bootstrappers", `${csr}:nodeclient`],
    ["system:nodes", `${csr}:selfnodeclient`],
  ];
  await Promise.all(
    bindings.map(([group, role]) => bindClusterRole(admin, { group, role })),
  );
}

/** Where bindings are made. */
export const BINDINGS =
  "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";

const API_GROUP = "rbac.authorization.k8s.io";

/** The ClusterRoleBinding of that name. */
export function bindingOf(
  name: string,
  { role, kind, subject }: {
    readonly role: string;
    readonly kind: "User" | "Group";
    /** Of the user or group. */
    readonly subject: string;
  },
): unknown {
  return {
    metadata: { name },
    roleRef: { apiGroup: API_GROUP, kind: "ClusterRole", name: role },
    subjects: [{ apiGroup: API_GROUP, kind, name: subject }],
  };
}

/** Once is as good as twice. */
async function bindClusterRole(
  admin: KubeApi,
  { group, role }: { readonly group: string; readonly role: string },
): Promise<void> {
  const name = `${group}:${role}`.replaceAll(":", "-").toLowerCase();
  const { status, body } = await admin.call("POST", BINDINGS, {
    body: bindingOf(name, { role, kind: "Group", subject: group }),
  });
  if (status >= 300 && status !== 409) {
    throw new Error(`Cannot bind ${role}: ${body.message}`);
  }
}
