/**
 * A cluster on one machine: nodes out of namespaces, an underlay, an API
 * server, one agent process a node. Invariant: all of it hangs on processes
 * that die with this one, so a Ctrl-C, an error or a SIGKILL leaves nothing.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { PERMISSIONS, V8_FLAGS } from "../../deploy/permissions.ts";
import { LabApi, nodeObject } from "./api.ts";
import { findPlugins, PLUGINS } from "./cni.ts";
import { Child, inTurns } from "./exec.ts";
import { LabNode, type NodeSettings } from "./node.ts";
import { planLab, type PlanOptions } from "./plan.ts";
import { makeServiceAccount, type SecureServer } from "./service_account.ts";
import type { Space } from "./space.ts";
import { LAB_DIR, makeUnderlay } from "./underlay.ts";
import { type Backend, findWireGuard } from "./wireguard.ts";

export const API_PORT = 6443;

/** Environment variable that every process of a lab carries. */
export const LAB_MARK = "LAB_RUN";

export interface LabOptions extends PlanOptions {
  readonly backend?: "auto" | Backend | undefined;
  /** The API server speaks TLS and wants the token in `SERVICE_ACCOUNT_DIR`. */
  readonly secure?: boolean | undefined;
  /** Instead of `deno run … main.ts`. */
  readonly agent?: readonly string[] | undefined;
  readonly onLine?: ((node: LabNode, line: string) => void) | undefined;
}

/** Nodes booted, and agents started, at the same time. */
export const AT_ONCE = 4;

export class Lab implements AsyncDisposable {
  readonly run: string;
  readonly settings: NodeSettings;
  readonly api: LabApi;
  readonly nodes: LabNode[] = [];
  readonly #secure: SecureServer | undefined;
  #server: Child | undefined;

  private constructor(
    run: string,
    settings: NodeSettings,
    secure: SecureServer | undefined,
  ) {
    this.run = run;
    this.settings = settings;
    this.#secure = secure;
    this.api = new LabApi(
      settings.underlay.outside(API_SOCKET),
      settings.apiUrl,
    );
  }

  /** The underlay alone; the rest comes by `startApi()`, `boot()` and `register()`. */
  static async start(options: LabOptions): Promise<Lab> {
    const run = `lab-${Deno.pid}-${crypto.randomUUID().slice(0, 8)}`;
    const env = { [LAB_MARK]: run };
    const plan = planLab(options);
    const pluginDir = await findPlugins();
    if (pluginDir === undefined) {
      throw new Error(`Cannot find the CNI plugins ${PLUGINS.join(", ")}`);
    }
    const underlay = await makeUnderlay(plan, env);
    try {
      const secure = options.secure
        ? makeServiceAccount(underlay, plan.apiAddress)
        : undefined;
      const scheme = secure === undefined ? "http" : "https";
      return new Lab(run, {
        plan,
        wireguard: await findWireGuard(underlay, options.backend),
        underlay,
        apiUrl: `${scheme}://${urlHost(plan.apiAddress)}:${API_PORT}`,
        agent: options.agent ?? agentProgram(),
        env,
        pluginDir,
        onLine: options.onLine,
      }, secure);
    } catch (error) {
      await underlay.end();
      throw error;
    }
  }

  get underlay(): Space {
    return this.settings.underlay;
  }

  /** The API server's process. */
  get server(): Child | undefined {
    return this.#server;
  }

  async startApi(): Promise<void> {
    this.#server = new Child(
      "the API server",
      this.underlay.command([
        ...apiServer(this.settings.plan.apiAddress),
        ...this.#secure?.flags ?? [],
      ]),
      { env: this.settings.env },
    );
    await this.api.ready(30_000).catch((cause) => {
      throw new Error(
        `Cannot start the API server: ${this.#server?.lines.join(" ")}`,
        { cause },
      );
    });
  }

  /** Boots all nodes of the plan, without agents. */
  async boot(): Promise<void> {
    await inTurns(this.settings.plan.nodes, async (plan) => {
      this.nodes.push(await LabNode.boot(plan, this.settings));
    }, AT_ONCE);
    const order = this.settings.plan.nodes.map((node) => node.name);
    this.nodes.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  }

  /** As the kubelets would, without podCIDRs. */
  async register(): Promise<void> {
    for (const { plan } of this.nodes) {
      const { spec: _, ...node } = nodeObject(plan);
      await this.api.create(node);
    }
  }

  /** As the controller-manager would. */
  async assignPodCidrs(): Promise<void> {
    for (const { plan } of this.nodes) {
      await this.api.patch(plan.name, { spec: nodeObject(plan).spec });
    }
  }

  /** Where the API server answers, as the rest of the machine sees it. */
  get apiSocket(): string {
    return this.underlay.outside(API_SOCKET);
  }

  /** @throws {RangeError} where there is no such node */
  node(name: string): LabNode {
    const node = this.nodes.find((each) => each.name === name);
    if (node === undefined) throw new RangeError(`Cannot find node ${name}`);
    return node;
  }

  /** Ends everything at once. */
  async end(): Promise<void> {
    this.api.close();
    await Promise.all(this.nodes.map((node) => node.end()));
    await this.#server?.stop("SIGKILL");
    await this.underlay.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

const API_SOCKET = `${LAB_DIR}/api.sock`;

function urlHost(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

/**
 * The same program as in production: `$LAB_AGENT` where it is set ("/usr/local/bin/clusternet",
 * say), else this tree, offline.
 *
 * @param flags of Deno, which only this tree can have
 */
export function agentProgram(flags: readonly string[] = []): readonly string[] {
  const given = Deno.env.get("LAB_AGENT") ?? "";
  if (given !== "" && flags.length === 0) return given.split(" ");
  return [
    Deno.execPath(),
    ...["run", "--cached-only", "--no-prompt", "--quiet", V8_FLAGS, ...flags],
    ...PERMISSIONS,
    fileURLToPath(new URL("../../main.ts", import.meta.url)),
  ];
}

function apiServer(address: string): readonly string[] {
  return [
    Deno.execPath(),
    ...["run", "--allow-all", "--cached-only", "--no-prompt", "--quiet"],
    fileURLToPath(new URL("./api_main.ts", import.meta.url)),
    ...["--host", address],
    ...["--port", String(API_PORT)],
    ...["--socket", API_SOCKET],
  ];
}
