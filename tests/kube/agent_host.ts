/**
 * A host with an agent as its service and nothing else of Kubernetes: no
 * kubelet, no containers. Its connections to the API server go through a wire of
 * their own, which can be cut; what it tells its service manager is heard.
 *
 * @module
 */

import { join } from "node:path";
import { TcpProxy } from "../fakes/tcp_proxy.ts";
import { Child, run, type RunResult } from "../lab/exec.ts";
import { eventually } from "../lab/harness.ts";
import { agentProgram } from "../lab/lab.ts";
import { dataPlane, peerLines } from "../lab/look.ts";
import { LINK } from "../lab/node.ts";
import type { LabPlan, NodePlan } from "../lab/plan.ts";
import type { Space } from "../lab/space.ts";
import { bootSpace, nodeDir } from "../lab/underlay.ts";
import { startWireguardGo, type WireGuard } from "../lab/wireguard.ts";
import { type Ear, listen } from "../support/notify_ear.ts";
import { startProgram } from "./control_plane.ts";

export interface HostSettings {
  readonly plan: LabPlan;
  readonly underlay: Space;
  readonly wireguard: WireGuard;
  /** Of the test; the host's own lies in it. */
  readonly folder: string;
  /** Port of the API server. */
  readonly apiPort: number;
}

/** How an agent is started, but for what is the same on all hosts. */
export interface AgentStart {
  readonly flags: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Under which Nodes publish their keys. Default: one of this host's own. */
  readonly annotation?: string;
  /** Default: the agent of `agentProgram()`. */
  readonly program?: readonly string[];
}

/** Under which a host publishes its key. */
export function annotationOf(name: string): string {
  return `test.example/${name}`;
}

export class AgentHost implements AsyncDisposable {
  readonly plan: NodePlan;
  readonly settings: HostSettings;
  readonly space: Space;
  /** For the files of the test: the same path in the host. */
  readonly folder: string;
  readonly #wireguardGo: Child | undefined;
  readonly #ear: Ear;
  #wire: TcpProxy;
  #agent: Child | undefined;
  #start: AgentStart = { flags: [] };
  /** What the service manager had heard before this process. */
  #heardBefore = 0;

  private constructor(
    plan: NodePlan,
    settings: HostSettings,
    own: {
      readonly space: Space;
      readonly folder: string;
      readonly wireguardGo: Child | undefined;
    },
  ) {
    this.plan = plan;
    this.settings = settings;
    this.space = own.space;
    this.folder = own.folder;
    this.#wireguardGo = own.wireguardGo;
    this.#ear = listen(join(own.folder, "notify"));
    this.#wire = new TcpProxy(settings.apiPort, {
      hostname: settings.plan.apiAddress,
    });
  }

  static async boot(
    plan: NodePlan,
    settings: HostSettings,
  ): Promise<AgentHost> {
    const { underlay, wireguard } = settings;
    const folder = join(settings.folder, plan.name);
    await Deno.mkdir(folder);
    const space = await bootSpace(settings.plan, plan, {
      ...{ underlay, env: {} },
      setup: `mkdir -p /run/secrets
mount -t tmpfs -o mode=755 tmpfs /run/secrets
cp /etc/hosts ${folder}/hosts
mount --bind ${folder}/hosts /etc/hosts`,
    });
    const { program } = wireguard;
    const wireguardGo = wireguard.backend === "userspace"
      ? await startWireguardGo(space, { program, link: LINK, env: {} })
      : undefined;
    return new AgentHost(plan, settings, { space, folder, wireguardGo });
  }

  get name(): string {
    return this.plan.name;
  }

  /** Of the host's own wire to the API server. */
  get port(): number {
    return this.#wire.port;
  }

  /** Names of the API server in this host's /etc/hosts. */
  knows(...names: readonly string[]): void {
    const { apiAddress } = this.settings.plan;
    const lines = names.map((name) => `${apiAddress} ${name}\n`);
    Deno.writeTextFileSync(
      join(this.folder, "hosts"),
      `127.0.0.1 localhost\n${lines.join("")}`,
    );
  }

  /** Every open connection to the API server breaks; new ones work. */
  cut(): void {
    this.#wire.cut();
  }

  /** Nobody listens where the API server was. */
  async unplug(): Promise<void> {
    await this.#wire[Symbol.asyncDispose]();
  }

  plug(): void {
    this.#wire = new TcpProxy(this.settings.apiPort, {
      hostname: this.settings.plan.apiAddress,
      port: this.port,
    });
  }

  get agent(): Child {
    if (this.#agent !== undefined) return this.#agent;
    throw new Error(`Cannot find the agent of ${this.name}: it does not run`);
  }

  command(start: AgentStart): readonly string[] {
    const { annotation = annotationOf(this.name), flags } = start;
    const { program = agentProgram() } = start;
    const { plan, wireguard } = this.settings;
    return this.space.command([
      ...program,
      ...["run", "--node-name", this.name],
      ...["--cluster-cidr", plan.clusterCidrs.join(",")],
      ...["--private-key-file", `${nodeDir(this.plan)}/state/private.key`],
      ...["--cni-conf-file", `${nodeDir(this.plan)}/net.d/10-cn.conflist`],
      ...["--annotation", annotation],
      ...["--backend", wireguard.backend],
      ...flags,
    ]);
  }

  startAgent(start: AgentStart): void {
    this.#start = start;
    this.#heardBefore = this.#ear.said.length;
    this.#agent = startProgram(`agent.${this.name}`, {
      command: this.command(start),
      folder: this.settings.folder,
      env: { ...start.env, NOTIFY_SOCKET: join(this.folder, "notify") },
    });
  }

  /** The process ends by SIGTERM, and another one begins. */
  async restartAgent(): Promise<void> {
    await this.agent.stop();
    this.startAgent(this.#start);
  }

  /** `--once`, to its end. */
  async once({ flags, env }: AgentStart): Promise<RunResult> {
    const command = this.command({ flags: [...flags, "--once"] });
    return await run(command, { env });
  }

  /** What `systemctl status` would show of this process; "": it has not said anything yet. */
  get status(): string {
    const lines = this.#ear.said.slice(this.#heardBefore)
      .filter((line) => line.startsWith("STATUS="));
    return lines.at(-1)?.slice("STATUS=".length) ?? "";
  }

  /** Until the status is so. @throws {Error} with what it is after `withinMs` */
  async statusIs(pattern: RegExp, withinMs: number): Promise<void> {
    await eventually(
      `${this.name} says ${pattern}`,
      () => Promise.resolve(pattern.test(this.status) ? true : undefined),
      withinMs,
    ).catch((cause) => {
      throw new Error(
        `${this.name} does not say ${pattern} within ${withinMs} ms, but: ${this.status}`,
        { cause },
      );
    });
  }

  /** Link, addresses, routes, settings and peers. */
  async dataPlane(): Promise<string> {
    return [await dataPlane(this), ...await peerLines(this)].join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent?.stop("SIGKILL");
    await this.#wireguardGo?.stop("SIGKILL");
    await this.space.end();
    await this.#wire[Symbol.asyncDispose]();
    await this.#ear[Symbol.asyncDispose]();
  }
}
