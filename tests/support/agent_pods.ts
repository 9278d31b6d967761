/**
 * A Node and its agent's pod, as a list of the API server has them.
 *
 * @module
 */

import type { NodeRecord } from "../../mod/core/node.ts";
import type { AgentPod } from "../../mod/sys/kube_pods.ts";

export const NODE: NodeRecord = {
  name: "n1",
  uid: "1",
  created: "2026-01-01T00:00:00Z",
  publicKey: undefined,
  internalIps: [],
  podCidrs: [],
};

export const POD: AgentPod = {
  namespace: "clusternet",
  name: "clusternet-x",
  nodeName: "n1",
  running: true,
  reason: "",
};
