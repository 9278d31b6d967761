/**
 * What a Node says of itself, waited for.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  conditionOf,
  isReady,
  type KubeApi,
  type KubeObject,
} from "./kube_api.ts";

/** The Node, which is not Ready for want of a CNI configuration. */
export async function withoutNetwork(
  admin: KubeApi,
  name: string,
): Promise<KubeObject> {
  const node = await admin.until(
    `/api/v1/nodes/${name}`,
    (node) => conditionOf(node, "Ready") !== undefined,
    { what: `${name} says whether it is Ready` },
  );
  assert.ok(!isReady(node));
  assert.match(
    conditionOf(node, "Ready")?.message ?? "",
    /cni plugin not initialized/,
  );
  return node;
}

/** By that condition, a moment after it: pods that do not tolerate it stay away. */
export function isTainted({ spec }: KubeObject): boolean {
  return spec.taints?.some(({ key }: { readonly key: string }) =>
    key === "node.kubernetes.io/network-unavailable"
  ) ?? false;
}

/** Until the Node's condition NetworkUnavailable has a message like that. */
export async function networkSays(
  admin: KubeApi,
  name: string,
  { message, withinMs }: {
    readonly message: RegExp;
    readonly withinMs?: number;
  },
): Promise<void> {
  await admin.until(
    `/api/v1/nodes/${name}`,
    (node) =>
      message.test(conditionOf(node, "NetworkUnavailable")?.message ?? ""),
    {
      what: `NetworkUnavailable of ${name} says ${message}`,
      ...(withinMs === undefined ? {} : { withinMs }),
    },
  );
}
