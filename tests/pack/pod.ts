/**
 * The agent's pod as `deploy/kustomize/base` asks for it, on a node of the lab:
 * that file decides what is mounted, which rights there are, and what is in the
 * environment. What is refused here is a manifest that asks for more.
 *
 * @module
 */

import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { CNI_PLUGIN_DIRS } from "../lab/cni.ts";
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

/** The part of a DaemonSet's pod that a container runtime hears of. */
interface PodSpec {
  readonly hostNetwork: boolean;
  readonly automountServiceAccountToken: boolean;
  readonly volumes: readonly {
    readonly name: string;
    readonly hostPath?: { readonly path: string };
  }[];
  readonly containers: readonly [{
    readonly image: string;
    readonly command?: readonly string[];
    readonly args?: readonly string[];
    readonly resources: { readonly limits: { readonly memory?: string } };
    readonly env: readonly {
      readonly name: string;
      readonly value?: string;
      readonly valueFrom?: {
        readonly fieldRef: { readonly fieldPath: string };
      };
    }[];
    readonly volumeMounts: readonly {
      readonly name: string;
      readonly mountPath: string;
      readonly readOnly?: boolean;
    }[];
    readonly securityContext: {
      readonly privileged: boolean;
      readonly readOnlyRootFilesystem: boolean;
      readonly allowPrivilegeEscalation: boolean;
      readonly capabilities: {
        readonly drop: readonly string[];
        readonly add: readonly string[];
      };
      readonly seccompProfile: { readonly type: string };
    };
  }];
}

/** Variable by which the processes of a container are found. */
export const CONTAINER_MARK = "LAB_CONTAINER";

export const PROC_SYS_NET = "/host/proc/sys/net";

/** Where this machine has them. */
const PLUGINS_DIR = CNI_PLUGIN_DIRS[0] ?? "/opt/cni/bin";

/** Less than the manifest allows: at rest, with few nodes, this is enough. */
const MEMORY_LIMIT = 64 * 1024 * 1024;

export const MANIFEST = new URL(
  "../../deploy/kustomize/base/daemonset.yaml",
  import.meta.url,
);

function podSpec(): PodSpec {
  const all = loadAll(Deno.readTextFileSync(MANIFEST)) as readonly {
    readonly kind: string;
    readonly spec?: { readonly template?: { readonly spec?: PodSpec } };
  }[];
  const spec = all.find(({ kind }) => kind === "DaemonSet")?.spec?.template
    ?.spec;
  assert.ok(spec !== undefined, "no DaemonSet");
  return spec;
}

/** The image that the manifest names. */
export function imageOfManifest(): string {
  return podSpec().containers[0].image;
}

export function agentPod(node: LabNode): Pod {
  const { settings } = node;
  const spec = podSpec();
  const [container] = spec.containers;
  const { securityContext: security } = container;
  // What the harnesses of runc and containerd give each container.
  assert.deepEqual({
    network: spec.hostNetwork,
    privileged: security.privileged,
    readOnly: security.readOnlyRootFilesystem,
    escalation: security.allowPrivilegeEscalation,
    drop: security.capabilities.drop,
    seccomp: security.seccompProfile.type,
    command: container.command ?? container.args,
  }, {
    network: true,
    privileged: false,
    readOnly: true,
    escalation: false,
    drop: ["ALL"],
    seccomp: "RuntimeDefault",
    command: undefined,
  });
  const run = settings.env[LAB_MARK] ?? "";
  const id = `${run}-${node.name}-${crypto.randomUUID().slice(0, 8)}`;
  assert.equal(spec.automountServiceAccountToken, false);
  return {
    id,
    env: {
      ...environment(container.env, node),
      [LAB_MARK]: run,
      [CONTAINER_MARK]: id,
      // The kubelet's part.
      KUBERNETES_SERVICE_HOST: settings.plan.apiAddress,
      KUBERNETES_SERVICE_PORT: String(API_PORT),
    },
    mounts: [
      ...mountsOf(spec, node),
      ...settings.wireguard.backend === "userspace" ? [WIREGUARD_GO] : [],
    ],
    capabilities: security.capabilities.add.map((name) => `CAP_${name}`),
    memoryLimit: MEMORY_LIMIT,
  };
}

/** Where the kernel has no WireGuard: its socket. */
const WIREGUARD_GO: Mount = {
  source: "/run/wireguard",
  target: "/run/wireguard",
};

function environment(
  variables: PodSpec["containers"][0]["env"],
  { name, settings }: LabNode,
): Readonly<Record<string, string>> {
  const fields: Readonly<Record<string, string>> = { "spec.nodeName": name };
  const own: Readonly<Record<string, string>> = {
    CLUSTERNET_CLUSTER_CIDR: settings.plan.clusterCidrs.join(","),
  };
  return Object.fromEntries(variables.map((variable) => [
    variable.name,
    own[variable.name] ?? variable.value ??
      fields[variable.valueFrom?.fieldRef.fieldPath ?? ""] ?? "",
  ]));
}

/** The lab keeps a node's own files in a folder of that node. */
function mountsOf(
  { volumes, containers }: PodSpec,
  { plan }: LabNode,
): readonly Mount[] {
  const elsewhere: Readonly<Record<string, string>> = {
    "/var/lib/clusternet": `${nodeDir(plan)}/state`,
    "/etc/cni/net.d": `${nodeDir(plan)}/net.d`,
    "/opt/cni/bin": PLUGINS_DIR,
  };
  const paths = new Map(volumes.map(({ name, hostPath }) => [
    name,
    // What else there is are the credentials, which the kubelet makes.
    hostPath?.path ?? SERVICE_ACCOUNT_DIR,
  ]));
  return containers[0].volumeMounts.map(({ name, mountPath, readOnly }) => {
    const path = paths.get(name);
    assert.ok(path !== undefined, `volume ${name}`);
    return {
      source: elsewhere[path] ?? path,
      target: mountPath,
      readOnly: readOnly ?? false,
    };
  });
}

/** The same pod with the manifest's own limit: one more program runs beside the agent. */
export function withRoom(pod: Pod): Pod {
  const { memory = "" } = podSpec().containers[0].resources.limits;
  const [, mebibytes] = /^(\d+)Mi$/.exec(memory) ?? [];
  assert.ok(mebibytes !== undefined, memory);
  return { ...pod, memoryLimit: Number(mebibytes) * 1024 * 1024 };
}

/** The same pod without what it mounts there. */
export function withoutMount(pod: Pod, target: string): Pod {
  const mounts = pod.mounts.filter((mount) => mount.target !== target);
  assert.ok(mounts.length < pod.mounts.length, target);
  return { ...pod, mounts };
}
