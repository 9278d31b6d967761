/**
 * Nodes as a kubelet and the controllers write them: some 10 KB each, most of
 * it images, conditions and managedFields that the agent does not use.
 *
 * @module
 */

import { type JsonObject, textOf } from "../fakes/api_store.ts";
import { testNode } from "./nodes.ts";

/** In 10.0.0.0/8: 5,000 Nodes with a /24 each do not fit into less. */
export const BIG_CLUSTER_CIDR = "10.0.0.0/8";
export const ANNOTATION = "clusternet.dev/wg-pubkey";

/** Names of images that a kubelet reports at most. */
const IMAGES = 50;

export interface KubeletNodeOptions {
  /** `null`: none is published yet. */
  readonly publicKey?: string | null;
  readonly internalIp?: string;
  readonly podCidr?: string;
  /** RFC 3339. */
  readonly created?: string;
}

/** Node number `n`: what `testNode(n)` says, in a kubelet's clothes. */
export function kubeletNode(
  n: number,
  options: KubeletNodeOptions = {},
): JsonObject {
  const record = testNode(n);
  const { publicKey = record.publicKey ?? null } = options;
  const podCidr = options.podCidr ?? record.podCidrs[0] ?? "";
  const internalIp = options.internalIp ?? record.internalIps[0] ?? "";
  return {
    kind: "Node",
    apiVersion: "v1",
    metadata: {
      name: record.name,
      uid: record.uid,
      creationTimestamp: options.created ?? record.created,
      labels: labels(record.name),
      annotations: {
        "node.alpha.kubernetes.io/ttl": "300",
        "volumes.kubernetes.io/controller-managed-attach-detach": "true",
        ...(publicKey === null ? {} : { [ANNOTATION]: publicKey }),
      },
      managedFields: managedFields(),
    },
    spec: { podCIDR: podCidr, podCIDRs: [podCidr], providerID: `lab://${n}` },
    status: {
      capacity: CAPACITY,
      allocatable: CAPACITY,
      conditions: conditions("2026-01-02T00:00:00Z"),
      addresses: [
        { type: "InternalIP", address: internalIp },
        { type: "Hostname", address: record.name },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      nodeInfo: nodeInfo(n),
      images: images(n),
    },
  };
}

/** The same Node with newer conditions, as a kubelet reports every few minutes; others' stay. */
export function heartbeat(node: JsonObject, time: string): JsonObject {
  const status = node.status as JsonObject;
  const ours = conditions(time);
  const others = (status.conditions as readonly JsonObject[]).filter(
    ({ type }) => !ours.some((one) => one.type === type),
  );
  return { ...node, status: { ...status, conditions: [...ours, ...others] } };
}

/** Bytes of its JSON. */
export function bytesOf(node: JsonObject): number {
  return new TextEncoder().encode(textOf(node)).length;
}

const CAPACITY: JsonObject = {
  "cpu": "8",
  "ephemeral-storage": "101430960Ki",
  "hugepages-1Gi": "0",
  "hugepages-2Mi": "0",
  "memory": "32780424Ki",
  "pods": "110",
};

function labels(name: string): JsonObject {
  return {
    "beta.kubernetes.io/arch": "amd64",
    "beta.kubernetes.io/os": "linux",
    "kubernetes.io/arch": "amd64",
    "kubernetes.io/hostname": name,
    "kubernetes.io/os": "linux",
    "node.kubernetes.io/instance-type": "standard-8",
    "topology.kubernetes.io/region": "region-1",
    "topology.kubernetes.io/zone": "zone-1a",
  };
}

function conditions(time: string): JsonObject[] {
  return [
    ["MemoryPressure", "False", "KubeletHasSufficientMemory"],
    ["DiskPressure", "False", "KubeletHasNoDiskPressure"],
    ["PIDPressure", "False", "KubeletHasSufficientPID"],
    ["Ready", "True", "KubeletReady"],
  ].map(([type = "", status = "", reason = ""]) => ({
    type,
    status,
    lastHeartbeatTime: time,
    lastTransitionTime: "2026-01-01T00:00:00Z",
    reason,
    message: `${reason}: as the kubelet of this node has found`,
  }));
}

function nodeInfo(n: number): JsonObject {
  const id = String(n).padStart(32, "0");
  return {
    machineID: id,
    systemUUID: id,
    bootID: id,
    kernelVersion: "6.12.0-amd64",
    osImage: "Debian GNU/Linux 13 (trixie)",
    containerRuntimeVersion: "containerd://2.1.4",
    kubeletVersion: "v1.36.3",
    kubeProxyVersion: "",
    operatingSystem: "linux",
    architecture: "amd64",
  };
}

function images(n: number): JsonObject[] {
  return Array.from({ length: IMAGES }, (_, at) => ({
    names: [
      `registry.example/team-${at % 7}/service-${at}@sha256:${
        String((n + at) % 997).padStart(64, "0")
      }`,
      `registry.example/team-${at % 7}/service-${at}:v1.${at}.${n % 10}`,
    ],
    sizeBytes: 10_000_000 + at * 1_234_567,
  }));
}

function managedFields(): JsonObject[] {
  const condition: JsonObject = {
    ".": {},
    "f:lastHeartbeatTime": {},
    "f:lastTransitionTime": {},
    "f:message": {},
    "f:reason": {},
    "f:status": {},
    "f:type": {},
  };
  const types = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"];
  return ["kubelet", "kube-controller-manager"].map((manager) => ({
    manager,
    operation: "Update",
    apiVersion: "v1",
    time: "2026-01-02T00:00:00Z",
    fieldsType: "FieldsV1",
    fieldsV1: {
      "f:metadata": { "f:annotations": { ".": {} }, "f:labels": { ".": {} } },
      "f:status": {
        "f:conditions": Object.fromEntries(
          types.map((type) => [`k:{"type":"${type}"}`, condition]),
        ),
      },
    },
    subresource: "status",
  }));
}
