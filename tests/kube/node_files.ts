/**
 * Configuration of a node's containerd and kubelet.
 *
 * @module
 */

import type { Family, LabPlan } from "../lab/plan.ts";
import { PAUSE_IMAGE } from "./images.ts";
import { CONTAINERD_SOCKET } from "./kube_node.ts";

/** containerd 2's configuration, version 3. */
export function containerdConfig(): string {
  return `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri"]

[grpc]
  address = "${CONTAINERD_SOCKET}"

[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "${PAUSE_IMAGE}"

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["/opt/cni/bin"]
    conf_dir = "/etc/cni/net.d"
`;
}

/** Of the cluster's name server, where there is one; in the ranges of Services. */
export const CLUSTER_DNS: Readonly<Record<Family, string>> = {
  4: "10.96.0.10",
  6: "fd00:96::a",
};

/** Of Services, the first as default: the API server wants that of its own address. */
export function serviceFamilies(
  { underlay, pods }: LabPlan,
): readonly Family[] {
  const first = pods.filter((family) => family === underlay[0]);
  return [...new Set([...first, ...pods])];
}

/** kubelet.config.k8s.io/v1beta1, KubeletConfiguration. */
export function kubeletConfig(options: {
  /** File of the authority that signs clients. */
  readonly ca: string;
  readonly plan: LabPlan;
}): unknown {
  const { ca, plan } = options;
  const family = plan.underlay[0] ?? 4;
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: family === 4 ? "0.0.0.0" : "::",
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: ca },
    },
    authorization: { mode: "Webhook" },
    containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
    clusterDNS: [CLUSTER_DNS[serviceFamilies(plan)[0] ?? 4]],
    clusterDomain: "cluster.local",
    rotateCertificates: true,
    cgroupDriver: "cgroupfs",
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failCgroupV1: false,
    failSwapOn: false,
    localStorageCapacityIsolation: false,
    // A full disk of this machine is not the test's business.
    evictionHard: { "memory.available": "0%", "nodefs.available": "0%" },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    volumePluginDir: "/var/lib/kubelet/plugins/volume",
    nodeStatusUpdateFrequency: "5s",
    nodeLeaseDurationSeconds: 40,
    shutdownGracePeriod: "0s",
    logging: { verbosity: 1 },
  };
}
