/**
 * A real control plane with hosts that have agents and no kubelets, whose Nodes
 * are made by hand. Each publishes its key under an annotation of its own, so
 * none sees any other but the one Node besides, which is everybody's peer.
 *
 * @module
 */

import { must, SHELL } from "../lab/exec.ts";
import { type LabPlan, type NodePlan, planLab } from "../lab/plan.ts";
import { Space } from "../lab/space.ts";
import { underlaySetup } from "../lab/underlay.ts";
import { findWireGuard } from "../lab/wireguard.ts";
import type { Certificate } from "../support/certificates.ts";
import { AgentHost, annotationOf, type HostSettings } from "./agent_host.ts";
import { ControlPlane, type Flags } from "./control_plane.ts";
import type { KubeApi, KubeObject } from "./kube_api.ts";
import { builtTools, type Program } from "./tools.ts";
import { bindingOf, BINDINGS } from "./rights.ts";

const PORT = 6443;

/** Of a key that nobody has: wg genkey | wg pubkey. */
const PEER_KEY = "7ihmIpkYYkXYbOaSQkvJGTnTcYwIvnAHLXUOLfSZRCU=";

export class Hosts implements AsyncDisposable {
  readonly plane: ControlPlane;
  readonly settings: HostSettings;
  readonly hosts: AgentHost[] = [];
  #next = 0;

  private constructor(plane: ControlPlane, settings: HostSettings) {
    this.plane = plane;
    this.settings = settings;
  }

  static async start(options: {
    readonly folder: string;
    readonly count: number;
    readonly flags: Partial<Record<Program, Flags>>;
    /** Files that the API server is to find. */
    readonly prepare: (folder: string) => void;
  }): Promise<Hosts> {
    const { folder, count, flags, prepare } = options;
    const plan = planLab({ nodes: count + 1, seed: 1 });
    const underlay = Space.here("the underlay", {});
    await must([SHELL, "-euc", underlaySetup(plan)]);
    prepare(folder);
    const plane = await ControlPlane.start({
      tools: await builtTools(),
      ...{ folder, flags, address: plan.apiAddress, port: PORT },
      controllers: true,
    });
    const wireguard = await findWireGuard(underlay);
    const settings = { plan, underlay, wireguard, folder, apiPort: PORT };
    const hosts = new Hosts(plane, settings);
    const peer = plan.nodes[count];
    if (peer !== undefined) {
      const others = plan.nodes.filter((each) => each !== peer);
      await hosts.register(peer, {
        annotations: Object.fromEntries(
          others.map(({ name }) => [annotationOf(name), PEER_KEY]),
        ),
      });
    }
    return hosts;
  }

  get admin(): KubeApi {
    return this.plane.admin;
  }

  get plan(): LabPlan {
    return this.settings.plan;
  }

  /** The next host of the plan, with its Node. */
  async boot(): Promise<AgentHost> {
    const plan = this.plan.nodes[this.#next++];
    if (plan === undefined) throw new RangeError("Cannot boot one more host");
    const host = await AgentHost.boot(plan, this.settings);
    this.hosts.push(host);
    await this.register(plan);
    return host;
  }

  /** As a kubelet would, and the controller that assigns podCIDRs. */
  async register(
    { name, internalIps, podCidrs: own }: NodePlan,
    options: {
      readonly annotations?: Readonly<Record<string, string>>;
      /** Default: those of the plan. */
      readonly podCidrs?: readonly string[];
    } = {},
  ): Promise<void> {
    const { annotations = {}, podCidrs = own } = options;
    const [podCIDR] = podCidrs;
    await this.admin.create("/api/v1/nodes", {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, annotations },
      spec: podCIDR === undefined ? {} : { podCIDR, podCIDRs: podCidrs },
      status: {
        addresses: internalIps.map((address) => ({
          type: "InternalIP",
          address,
        })),
      },
    });
  }

  /** Another Node object of the same name. */
  async registerAnew(
    plan: NodePlan,
    podCidrs: readonly string[] = plan.podCidrs,
  ): Promise<void> {
    await this.admin.delete(`/api/v1/nodes/${plan.name}`);
    await this.register(plan, { podCidrs });
  }

  node({ name }: { readonly name: string }): Promise<KubeObject> {
    return this.admin.get(`/api/v1/nodes/${name}`);
  }

  /**
   * A kubeconfig in the host's folder, with everything in files that can be
   * changed: `ca.crt`, `client.crt`, `client.key`.
   */
  kubeconfig(
    host: AgentHost,
    { cert, key }: Certificate,
    serverName = this.plan.apiAddress,
  ): string {
    const put = (name: string, text: string): void =>
      Deno.writeTextFileSync(`${host.folder}/${name}`, text, { mode: 0o600 });
    put("ca.crt", this.plane.credentials.ca);
    put("client.crt", cert);
    put("client.key", key);
    const cluster = {
      "server": `https://${serverName}:${host.port}`,
      "certificate-authority": "ca.crt",
    };
    const user = {
      "client-certificate": "client.crt",
      "client-key": "client.key",
    };
    put(
      "kubeconfig",
      JSON.stringify({
        "current-context": "c",
        clusters: [{ name: "c", cluster }],
        users: [{ name: "c", user }],
        contexts: [{ name: "c", context: { cluster: "c", user: "c" } }],
      }),
    );
    return `${host.folder}/kubeconfig`;
  }

  /** A user that may do what that ClusterRole says; again: another role. */
  async bind(user: string, role: string): Promise<void> {
    const name = `test-${user.replaceAll(":", "-")}`;
    await this.admin.call("DELETE", `${BINDINGS}/${name}`);
    await this.admin.create(
      BINDINGS,
      bindingOf(name, { role, kind: "User", subject: user }),
    );
  }

  /** A ClusterRole: resources of the core group, and the verbs for each. */
  async makeRole(
    name: string,
    rules: Readonly<Record<string, readonly string[]>>,
  ): Promise<void> {
    const path = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    await this.admin.create(path, {
      metadata: { name },
      rules: Object.entries(rules).map(([resource, verbs]) => ({
        apiGroups: [""],
        resources: [resource],
        verbs,
      })),
    });
  }

  /** As a person would, in a checkout. */
  async kubectl(...args: readonly string[]): Promise<string> {
    const kubeconfig = this.plane.kubeconfig("admin", ["system:masters"]);
    const program = this.plane.options.tools.path("kubectl");
    return await must([program, `--kubeconfig=${kubeconfig}`, ...args]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.hosts.map((host) => host[Symbol.asyncDispose]()));
    await this.plane[Symbol.asyncDispose]();
    await this.settings.underlay.end();
  }
}
