/**
 * One node of a real cluster: namespaces for network, mounts and the host name,
 * and in them containerd, a kubelet, and on request kube-proxy and the agent as
 * a service of the host. Its files outlive a reboot, its /run does not.
 *
 * @module
 */

import { join } from "node:path";
import { type Child, labEnv } from "../lab/exec.ts";
import { LINK } from "../lab/node.ts";
import type { LabPlan, NodePlan } from "../lab/plan.ts";
import type { Space } from "../lab/space.ts";
import { bootSpace } from "../lab/underlay.ts";
import { startWireguardGo, type WireGuard } from "../lab/wireguard.ts";
import { groupSetup, inGroup, removeControlGroups } from "./control_groups.ts";
import {
  type ControlPlane,
  type Flags,
  flagTexts,
  startProgram,
} from "./control_plane.ts";
import { kubeconfigText } from "./credentials.ts";
import { containerdConfig, kubeletConfig } from "./node_files.ts";
import type { Tools } from "./tools.ts";

/** What all nodes of a cluster share. */
export interface NodeSettings {
  readonly plan: LabPlan;
  readonly tools: Tools;
  readonly plane: ControlPlane;
  readonly underlay: Space;
  readonly wireguard: WireGuard;
  /** The agent's program with its arguments up to the command. */
  readonly agent: readonly string[];
  /** Of the CNI plugins on this machine; `undefined`: the nodes have none. */
  readonly pluginDir: string | undefined;
  /** Folder of the whole cluster. */
  readonly folder: string;
  readonly cgroup: string;
  readonly env: Readonly<Record<string, string>>;
}

/** As kubeadm has it. */
export const KUBELET_CONF = "/etc/kubernetes/kubelet.conf";

export const CONTAINERD_SOCKET = "/run/containerd/containerd.sock";

const START_MS = 30_000;

export class KubeNode {
  readonly plan: NodePlan;
  readonly settings: NodeSettings;
  /** Of its files, as the rest of the place sees it. */
  readonly folder: string;
  readonly #running = new Map<string, Child>();
  #space: Space;

  private constructor(plan: NodePlan, settings: NodeSettings, space: Space) {
    this.plan = plan;
    this.settings = settings;
    this.folder = folderOf(plan, settings);
    this.#space = space;
  }

  /** Boots it: namespaces, cable, wireguard-go, containerd. No kubelet, no agent yet. */
  static async boot(plan: NodePlan, settings: NodeSettings): Promise<KubeNode> {
    const node = new KubeNode(plan, settings, await boot(plan, settings));
    await node.startWireguardGo();
    await node.startContainerd();
    return node;
  }

  get name(): string {
    return this.plan.name;
  }

  get space(): Space {
    return this.#space;
  }

  /** Its first InternalIP. */
  get address(): string {
    return this.plan.internalIps[0] ?? "";
  }

  /** @throws {Error} where it does not run */
  child(name: string): Child {
    const child = this.#running.get(name);
    if (child === undefined) {
      throw new Error(`Cannot find ${name} of ${this.name}`);
    }
    return child;
  }

  /** Ends one part. Gives its exit code. */
  async stop(name: string, signal: Deno.Signal = "SIGTERM"): Promise<number> {
    const child = this.#running.get(name);
    this.#running.delete(name);
    return await child?.stop(signal) ?? 0;
  }

  async startWireguardGo(): Promise<void> {
    const { wireguard, env } = this.settings;
    if (wireguard.backend !== "userspace") return;
    const { program } = wireguard;
    this.#running.set(
      "wireguard-go",
      await startWireguardGo(this.#space, { program, link: LINK, env }),
    );
  }

  async startContainerd(): Promise<void> {
    const file = join(this.folder, "containerd.toml");
    Deno.writeTextFileSync(file, containerdConfig());
    const child = this.start(
      "containerd",
      inGroup([this.settings.tools.path("containerd"), `--config=${file}`]),
    );
    await child.line(/containerd successfully booted/, { withinMs: START_MS });
  }

  /** Makes the image of that archive known to the kubelet. */
  async importImage(archive: string): Promise<void> {
    await this.ctr("images", "import", "--local", archive);
  }

  ctr(...args: readonly string[]): Promise<string> {
    return this.#space.must([
      this.settings.tools.path("ctr"),
      `--address=${CONTAINERD_SOCKET}`,
      ...["--namespace=k8s.io", ...args],
    ]);
  }

  /** Registers the Node by a bootstrap certificate, then rotates its own. */
  startKubelet(flags: Flags = {}): Child {
    const { plane, plan, tools } = this.settings;
    const config = join(this.folder, "kubelet.json");
    const { ca } = plane.credentials.files;
    Deno.writeTextFileSync(
      config,
      JSON.stringify(kubeletConfig({ ca, plan })),
    );
    const bootstrap = join(this.folder, "bootstrap.kubeconfig");
    const { cert, key } = plane.credentials.user(`bootstrap:${this.name}`, [
      "system:bootstrappers",
    ]);
    Deno.writeTextFileSync(
      bootstrap,
      kubeconfigText(plane.url, plane.credentials.ca, {
        "client-certificate-data": btoa(cert),
        "client-key-data": btoa(key),
      }),
      { mode: 0o600 },
    );
    return this.start(
      "kubelet",
      inGroup([
        tools.path("kubelet"),
        ...flagTexts({
          "config": config,
          "bootstrap-kubeconfig": bootstrap,
          "kubeconfig": KUBELET_CONF,
          "hostname-override": this.name,
          "node-ip": this.plan.internalIps.join(","),
          ...flags,
        }),
      ]),
    );
  }

  /** @param mode "iptables" or "nftables" */
  startProxy(mode: string, flags: Flags = {}): Child {
    const { plan, plane, tools } = this.settings;
    return this.start("kube-proxy", [
      tools.path("kube-proxy"),
      ...flagTexts({
        "kubeconfig": plane.kubeconfig("system:kube-proxy"),
        "proxy-mode": mode,
        "cluster-cidr": plan.clusterCidrs.join(","),
        "hostname-override": this.name,
        // The kernel has one table of connections, which is not this namespace's.
        "conntrack-max-per-core": "0",
        "conntrack-tcp-timeout-established": "0",
        "conntrack-tcp-timeout-close-wait": "0",
        ...flags,
      }),
    ]);
  }

  /** The agent's command line here, as a service of the host has it; flags among `more` come last and win. */
  agentCommand(
    more: readonly string[] = [],
    command = "run",
  ): readonly string[] {
    const { agent, plan, wireguard } = this.settings;
    return [
      ...agent,
      command,
      ...["--kubeconfig", KUBELET_CONF],
      ...["--cluster-cidr", plan.clusterCidrs.join(",")],
      ...["--backend", wireguard.backend],
      ...more,
    ];
  }

  /** As a service of the host, with the kubelet's credentials. */
  startAgent(flags: readonly string[] = []): Child {
    return this.start("agent", this.agentCommand(flags));
  }

  get agent(): Child | undefined {
    return this.#running.get("agent");
  }

  /** A long-running program in this node; its lines go to a log of that name. */
  start(
    name: string,
    command: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Child {
    const { tools, env: mark } = this.settings;
    const path = [...tools.folders, labEnv().PATH].join(":");
    const child = startProgram(`${name}.${this.name}`, {
      command: this.#space.command(command),
      folder: this.settings.folder,
      env: { ...mark, PATH: path, ...env },
    });
    this.#running.set(name, child);
    return child;
  }

  /** Power off and on: every process, link, control group and file below /run is gone. */
  async reboot(): Promise<void> {
    await this.end();
    await removeControlGroups(groupOf(this.plan, this.settings));
    this.#space = await boot(this.plan, this.settings);
    await this.startWireguardGo();
    await this.startContainerd();
  }

  /** Pulls the plug. Containers' processes end too. */
  async end(): Promise<void> {
    const all = [...this.#running.values()];
    this.#running.clear();
    await Promise.all(all.map((child) => child.stop("SIGKILL")));
    this.#endContainers();
    await this.#space.end();
  }

  /** Shims and containers are nobody's children: by their mounts and control groups they are the node's. */
  #endContainers(): void {
    const mounts = Deno.readLinkSync(
      `/proc/${this.#space.holder.pid}/ns/mnt`,
    );
    const group = `:/${groupOf(this.plan, this.settings)}/`;
    for (const { name: pid } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(pid)) continue;
      try {
        const ours = Deno.readLinkSync(`/proc/${pid}/ns/mnt`) === mounts ||
          Deno.readTextFileSync(`/proc/${pid}/cgroup`).includes(group);
        if (ours) Deno.kill(Number(pid), "SIGKILL");
      } catch {
        // It has ended in between.
      }
    }
  }
}

function folderOf(
  plan: NodePlan,
  { folder }: { readonly folder: string },
): string {
  return join(folder, plan.name);
}

function groupOf(
  { name }: NodePlan,
  { cgroup }: { readonly cgroup: string },
): string {
  return `${cgroup}/${name}`;
}

/** What a machine of its own would have, laid over this machine's. */
async function boot(plan: NodePlan, settings: NodeSettings): Promise<Space> {
  const folder = folderOf(plan, settings);
  const { underlay, env, pluginDir } = settings;
  return await bootSpace(settings.plan, plan, {
    underlay,
    env,
    ownName: true,
    setup: groupSetup(groupOf(plan, settings)) + mountsOf(folder, pluginDir),
  });
}

/** Shell lines. */
function mountsOf(folder: string, pluginDir: string | undefined): string {
  const own = ["var/lib", "var/log", "etc/cni", "etc/kubernetes", "opt/cni"];
  return `
mkdir -p ${folder} /run/containerd
mount -t tmpfs -o mode=755 tmpfs /run/containerd
for dir in etc opt; do
  mkdir -p ${folder}/$dir.upper ${folder}/$dir.work
  mount -t overlay overlay -o lowerdir=/$dir,upperdir=${folder}/$dir.upper,workdir=${folder}/$dir.work /$dir
done
for dir in ${own.join(" ")}; do
  mkdir -p ${folder}/$dir /$dir
  mount --bind ${folder}/$dir /$dir
done
mkdir -p /var/lib/kubelet /var/lib/containerd /var/log/pods /etc/cni/net.d /opt/cni/bin
mount --bind /var/lib/kubelet /var/lib/kubelet
mount --make-shared /var/lib/kubelet
${pluginDir === undefined ? "" : `mount --bind -o ro ${pluginDir} /opt/cni/bin`}
mkdir -p -m 700 /var/lib/clusternet
echo ${crypto.randomUUID().replaceAll("-", "")} > /etc/machine-id
`;
}
