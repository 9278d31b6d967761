/**
 * Nodes on a real API server without kubelets: made by hand, in a kubelet's
 * clothes.
 *
 * @module
 */

import { isObject } from "../fakes/api_store.ts";
import { kubeletNode } from "../support/kubelet_node.ts";
import { type KubeApi, type KubeObject, MERGE } from "./kube_api.ts";
import { KEY } from "./watcher.ts";

export const NODES = "/api/v1/nodes";

/** A bare one. */
export async function addNode(
  admin: KubeApi,
  name: string,
): Promise<KubeObject> {
  return await admin.create(NODES, { metadata: { name } });
}

/** Nodes `node-FROM` to `node-TO`, with all that a kubelet reports. */
export async function addKubeletNodes(
  admin: KubeApi,
  from: number,
  to: number,
): Promise<readonly string[]> {
  const names: string[] = [];
  for (let n = from; n <= to; n++) {
    const { metadata, spec, status } = kubeletNode(n);
    if (!isObject(metadata)) throw new Error("a Node without metadata");
    const { name, labels, annotations } = metadata;
    const made = await admin.create(NODES, {
      metadata: { name, labels, annotations },
      spec,
    });
    await admin.must("PUT", `${NODES}/${name}/status`, {
      body: { ...made, status },
    });
    names.push(String(name));
  }
  return names;
}

export async function setKey(
  admin: KubeApi,
  name: string,
  value: string | null,
): Promise<void> {
  const body = { metadata: { annotations: { [KEY]: value } } };
  await admin.patch(`${NODES}/${name}`, body, MERGE);
}
