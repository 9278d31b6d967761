/**
 * Containers of the image by runc alone, in a node of the lab.
 *
 * @module
 */

import { join } from "node:path";
import { Child, run, type RunResult } from "../lab/exec.ts";
import type { LabNode } from "../lab/node.ts";
import {
  agentPid,
  type Container,
  type Engine,
  inOwnProcesses,
  removeCgroups,
} from "./container.ts";
import type { Mount, Pod } from "./pod.ts";
import { seccompFor } from "./seccomp.ts";

/** Part of an image's configuration. */
export interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
}

export interface RuncOptions {
  /** The image, unpacked. */
  readonly rootfs: string;
  readonly config: ImageConfig;
  /** A folder for the test's own files. */
  readonly folder: string;
  /** Default: true. */
  readonly readOnly?: boolean;
}

export function runc(node: LabNode, options: RuncOptions): Engine {
  return { name: "runc", run: (pod) => start(pod, node, options) };
}

function start(pod: Pod, node: LabNode, options: RuncOptions): Container {
  const { folder } = options;
  const bundle = join(folder, pod.id);
  Deno.mkdirSync(bundle);
  Deno.writeTextFileSync(
    join(bundle, "config.json"),
    JSON.stringify(specOf(pod, options)),
  );
  const child = new Child(
    `container of ${node.name}`,
    node.space.command(inOwnProcesses([
      ...["runc", `--root=${join(folder, "runc")}`],
      ...["run", `--bundle=${bundle}`, pod.id],
    ])),
    { env: node.settings.env },
  );
  return {
    pod,
    child,
    async stop(): Promise<number> {
      Deno.kill(await agentPid(pod), "SIGTERM");
      return await child.ended;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await child.stop("SIGKILL");
      await removeCgroups(pod.id);
    },
  };
}

/** One more process in a container that runs, as `kubectl exec` has it. */
export async function runcExec(
  container: Container,
  command: readonly string[],
  folder: string,
): Promise<RunResult> {
  return await run(await runcExecCommand(container, command, folder));
}

/** The command that does it. */
export async function runcExecCommand(
  { pod }: Container,
  command: readonly string[],
  folder: string,
): Promise<readonly string[]> {
  const runtime = await parentOf(await agentPid(pod));
  return [
    // Where the container's processes have the numbers that runc knows.
    ...["nsenter", `--target=${runtime}`, "--pid", "--mount", "--net", "--"],
    ...["runc", `--root=${join(folder, "runc")}`, "exec", pod.id, ...command],
  ];
}

async function parentOf(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const [, parent] = /^PPid:\s*(\d+)/m.exec(status) ?? [];
  return Number(parent);
}

/** OCI runtime specification, config.md: as a container engine makes it of such a pod. */
function specOf(pod: Pod, options: RuncOptions): unknown {
  const { rootfs, config, readOnly = true } = options;
  const { capabilities } = pod;
  return {
    ociVersion: "1.0.2",
    process: {
      user: { uid: Number(config.User), gid: 0 },
      args: [...config.Entrypoint, ...config.Cmd],
      env: [
        ...config.Env,
        ...Object.entries(pod.env).map(([name, value]) => `${name}=${value}`),
      ],
      cwd: "/",
      capabilities: {
        bounding: capabilities,
        effective: capabilities,
        permitted: capabilities,
      },
      noNewPrivileges: true,
    },
    root: { path: rootfs, readonly: readOnly },
    mounts: [...SYSTEM_MOUNTS, ...pod.mounts.map(bind)],
    linux: {
      cgroupsPath: `/${pod.id}`,
      resources: {
        devices: [{ allow: false, access: "rwm" }],
        memory: { limit: pod.memoryLimit },
      },
      // No network: that of the node.
      namespaces: ["pid", "ipc", "uts", "mount"].map((type) => ({ type })),
      seccomp: seccompFor(capabilities),
      maskedPaths: [
        ...["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats"],
        ...["/proc/scsi", "/proc/timer_list", "/proc/timer_stats"],
        "/sys/firmware",
      ],
      readonlyPaths: [
        ...["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"],
        "/proc/sysrq-trigger",
      ],
    },
  };
}

const SYSTEM_MOUNTS: readonly unknown[] = [
  { destination: "/proc", type: "proc", source: "proc" },
  {
    destination: "/dev",
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
  {
    destination: "/sys",
    type: "sysfs",
    source: "sysfs",
    options: ["nosuid", "noexec", "nodev", "ro"],
  },
];

function bind({ source, target, readOnly = false }: Mount): unknown {
  const options = ["rbind", "rprivate", readOnly ? "ro" : "rw"];
  return { destination: target, type: "bind", source, options };
}
