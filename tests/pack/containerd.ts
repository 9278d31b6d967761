/**
 * Containers of the image by a containerd of the test's own, in a node of the
 * lab: with its own files, socket and processes, whatever else runs on the
 * machine.
 *
 * @module
 */

import { join } from "node:path";
import { Child } from "../lab/exec.ts";
import type { LabNode } from "../lab/node.ts";
import {
  type Container,
  type Engine,
  inOwnProcesses,
  removeCgroups,
} from "./container.ts";
import type { Mount, Pod } from "./pod.ts";

/** Needs nothing of the kernel. */
const SNAPSHOTTER = "native";

/** What containerd gives every container (oci/spec.go, defaultUnixCaps). */
const DEFAULT_CAPABILITIES: readonly string[] = [
  ...["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW"],
  ...["SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE"],
  ...["SYS_CHROOT", "KILL", "AUDIT_WRITE"],
].map((name) => `CAP_${name}`);

export interface ContainerdOptions {
  /** An empty one, which the caller removes. */
  readonly folder: string;
  /** Of the image, for containerd to import. */
  readonly archive: string;
  /** What the image is called then. */
  readonly image: string;
}

export class Containerd implements Engine, AsyncDisposable {
  readonly name = "containerd";
  readonly #node: LabNode;
  readonly #folder: string;
  readonly #image: string;
  readonly #daemon: Child;

  private constructor(node: LabNode, options: ContainerdOptions) {
    this.#node = node;
    this.#folder = options.folder;
    this.#image = options.image;
    const config = join(this.#folder, "containerd.toml");
    Deno.writeTextFileSync(config, configuration(this.#folder));
    this.#daemon = new Child(
      `containerd of ${node.name}`,
      node.space.command(inOwnProcesses(["containerd", `--config=${config}`])),
      { env: node.settings.env },
    );
  }

  static async start(
    node: LabNode,
    options: ContainerdOptions,
  ): Promise<Containerd> {
    const containerd = new Containerd(node, options);
    try {
      await containerd.#daemon.line(/containerd successfully booted/);
      await containerd.ctr(
        ...["images", "import", `--snapshotter=${SNAPSHOTTER}`],
        options.archive,
      );
      return containerd;
    } catch (error) {
      await containerd[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Folders of the snapshots: one for each layer of the image and for each container. */
  get snapshots(): string {
    const plugin = `io.containerd.snapshotter.v1.${SNAPSHOTTER}`;
    return join(this.#folder, "root", plugin, "snapshots");
  }

  run(pod: Pod): Container {
    const child = new Child(
      `container of ${this.#node.name}`,
      this.#command(["run", ...this.#runArguments(pod)]),
      { env: this.#node.settings.env },
    );
    return {
      pod,
      child,
      stop: async (): Promise<number> => {
        await this.ctr("tasks", "kill", "--signal=SIGTERM", pod.id);
        return await child.ended;
      },
      [Symbol.asyncDispose]: async (): Promise<void> => {
        if (child.running) {
          await this.ctr("tasks", "kill", "--signal=SIGKILL", pod.id);
        }
        await child.ended;
        await removeCgroups(pod.id);
      },
    };
  }

  async ctr(...args: readonly string[]): Promise<string> {
    const { space } = this.#node;
    return await space.must([
      "ctr",
      `--address=${socketOf(this.#folder)}`,
      ...args,
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon.stop("SIGKILL");
  }

  #command(args: readonly string[]): readonly string[] {
    const { space } = this.#node;
    return space.command([
      "ctr",
      `--address=${socketOf(this.#folder)}`,
      ...args,
    ]);
  }

  #runArguments(pod: Pod): readonly string[] {
    return [
      ...["--rm", `--snapshotter=${SNAPSHOTTER}`, "--read-only"],
      ...["--net-host", "--seccomp", `--cgroup=/${pod.id}`],
      `--memory-limit=${pod.memoryLimit}`,
      ...DEFAULT_CAPABILITIES.map((name) => `--cap-drop=${name}`),
      ...pod.capabilities.map((name) => `--cap-add=${name}`),
      ...Object.entries(pod.env).map(([name, value]) =>
        `--env=${name}=${value}`
      ),
      ...pod.mounts.map((mount) => `--mount=${mountText(mount)}`),
      this.#image,
      pod.id,
    ];
  }
}

function socketOf(folder: string): string {
  return join(folder, "containerd.sock");
}

function configuration(folder: string): string {
  return `version = 2
root = "${join(folder, "root")}"
state = "${join(folder, "state")}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${socketOf(folder)}"
[ttrpc]
address = "${socketOf(folder)}.ttrpc"
`;
}

function mountText({ source, target, readOnly = false }: Mount): string {
  const mode = readOnly ? "ro" : "rw";
  return `type=bind,src=${source},dst=${target},options=rbind:rprivate:${mode}`;
}
