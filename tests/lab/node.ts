/**
 * One node of a lab: its namespaces, its agent process, its pods.
 *
 * @module
 */

import { addPod, type Attachment, type PodPlace, removePod } from "./cni.ts";
import { Child } from "./exec.ts";
import type { LabPlan, NodePlan } from "./plan.ts";
import type { Space } from "./space.ts";
import { bootSpace, nodeDir } from "./underlay.ts";
import { startWireguardGo, type WireGuard } from "./wireguard.ts";

/** The link that the agent makes, or that wireguard-go makes for it. */
export const LINK = "clusternet";

export interface Pod extends Attachment {
  readonly name: string;
  readonly node: LabNode;
}

/** What all nodes of a lab share. */
export interface NodeSettings {
  readonly plan: LabPlan;
  readonly wireguard: WireGuard;
  readonly underlay: Space;
  readonly apiUrl: string;
  /** The agent's program with its arguments up to the command: `deno run … main.ts`. */
  readonly agent: readonly string[];
  /** Marks everything that this lab starts. */
  readonly env: Readonly<Record<string, string>>;
  readonly pluginDir: string;
  readonly onLine?: ((node: LabNode, line: string) => void) | undefined;
}

export class LabNode {
  readonly plan: NodePlan;
  readonly settings: NodeSettings;
  readonly pods: Pod[] = [];
  #space: Space;
  #wireguardGo: Child | undefined;
  #agent: Child | undefined;

  private constructor(plan: NodePlan, settings: NodeSettings, space: Space) {
    this.plan = plan;
    this.settings = settings;
    this.#space = space;
  }

  /** Boots it: namespaces, cable, wireguard-go where the kernel has no WireGuard. No agent yet. */
  static async boot(plan: NodePlan, settings: NodeSettings): Promise<LabNode> {
    const space = await bootSpace(settings.plan, plan, settings);
    const node = new LabNode(plan, settings, space);
    await node.startWireguardGo();
    return node;
  }

  get name(): string {
    return this.plan.name;
  }

  get space(): Space {
    return this.#space;
  }

  get agent(): Child | undefined {
    return this.#agent;
  }

  get wireguardGo(): Child | undefined {
    return this.#wireguardGo;
  }

  get keyFile(): string {
    return `${nodeDir(this.plan)}/state/private.key`;
  }

  get conflistFile(): string {
    return `${nodeDir(this.plan)}/net.d/10-clusternet.conflist`;
  }

  /** Starts wireguard-go in the foreground; its link is there when this resolves. */
  async startWireguardGo(): Promise<void> {
    const { wireguard, env } = this.settings;
    if (wireguard.backend !== "userspace") return;
    const { program } = wireguard;
    this.#wireguardGo = await startWireguardGo(this.#space, {
      ...{ program, link: LINK, env },
    });
  }

  /** The agent's command line in this node; a flag among `flags` replaces the lab's own. */
  agentCommand(flags: readonly string[] = [], command = "run"): string[] {
    const { plan, apiUrl, agent, wireguard } = this.settings;
    const own: Readonly<Record<string, string>> = {
      "--node-name": this.name,
      "--server": apiUrl,
      "--cluster-cidr": plan.clusterCidrs.join(","),
      "--private-key-file": this.keyFile,
      "--cni-conf-file": this.conflistFile,
      "--backend": wireguard.backend,
    };
    const kept = Object.entries(own).filter(([flag]) => !flags.includes(flag));
    return this.#space.command([...agent, command, ...kept.flat(), ...flags]);
  }

  startAgent(
    flags: readonly string[] = [],
    variables: Readonly<Record<string, string>> = {},
  ): Child {
    const { env, onLine } = this.settings;
    const child = new Child(
      `agent of ${this.name}`,
      this.agentCommand(flags),
      {
        env: { ...env, ...variables },
        onLine: (line) => onLine?.(this, line),
      },
    );
    this.#agent = child;
    return child;
  }

  /** Ends the agent; the data plane stays. Gives its exit code. */
  async stopAgent(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    const code = await this.#agent?.stop(signal) ?? 0;
    this.#agent = undefined;
    return code;
  }

  /** Public keys of the peers that WireGuard has. */
  async peers(): Promise<readonly string[]> {
    const { code, stdout } = await this.#space.run([
      "wg",
      "show",
      LINK,
      "peers",
    ]);
    return code === 0 ? stdout.split("\n").filter((line) => line !== "") : [];
  }

  /** The conflist that a container runtime would load now. `undefined`: none. */
  async conflist(): Promise<string | undefined> {
    const { code, stdout } = await this.#space.run(["cat", this.conflistFile]);
    return code === 0 ? stdout : undefined;
  }

  /** MTU of the link, bytes. */
  async mtu(): Promise<number> {
    const said = await this.#space.must(["ip", "-o", "link", "show", LINK]);
    return Number(said.match(/ mtu (\d+)/)?.[1]);
  }

  /** Attaches a pod by the CNI plugins, from the conflist as it is now. */
  async addPod(name: string): Promise<Pod> {
    const attachment = await addPod(await this.podPlace(name));
    const pod = { ...attachment, name, node: this };
    this.pods.push(pod);
    return pod;
  }

  async removePod(pod: Pod): Promise<void> {
    await removePod(await this.podPlace(pod.name));
    this.pods.splice(this.pods.indexOf(pod), 1);
  }

  async podPlace(pod: string): Promise<PodPlace> {
    const conflist = await this.conflist();
    if (conflist === undefined) {
      throw new Error(
        `Cannot attach pods to ${this.name}: no ${this.conflistFile}`,
      );
    }
    const { pluginDir } = this.settings;
    return { space: this.#space, pluginDir, pod, conflist };
  }

  /** Power off and on: every process, link and file below /run is gone; key and net.d stay. */
  async reboot(): Promise<void> {
    await this.end();
    this.#space = await bootSpace(
      this.settings.plan,
      this.plan,
      this.settings,
    );
    await this.startWireguardGo();
  }

  /** Pulls the plug. */
  async end(): Promise<void> {
    await Promise.all([
      this.#agent?.stop("SIGKILL"),
      this.#wireguardGo?.stop("SIGKILL"),
      this.#space.end(),
    ]);
    this.#agent = undefined;
    this.#wireguardGo = undefined;
    this.pods.length = 0;
  }
}
