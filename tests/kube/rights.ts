/**
 * What the kubelets of a cluster may do, as kubeadm grants it.
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

const RBAC = "/apis/rbac.authorization.k8s.io/v1";

async function bindClusterRole(
  admin: KubeApi,
  { group, role }: { readonly group: string; readonly role: string },
): Promise<void> {
  const name = `${group}:${role}`.replaceAll(":", "-").toLowerCase();
  const { status, body } = await admin.call(
    "POST",
    `${RBAC}/clusterrolebindings`,
    {
      body: {
        metadata: { name },
        roleRef: {
          apiGroup: "rbac.authorization.k8s.io",
          kind: "ClusterRole",
          name: role,
        },
        subjects: [{
          apiGroup: "rbac.authorization.k8s.io",
          kind: "Group",
          name: group,
        }],
      },
    },
  );
  if (status >= 300 && status !== 409) {
    throw new Error(`Cannot bind ${role}: ${body.message}`);
  }
}
