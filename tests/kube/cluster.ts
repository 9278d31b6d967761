/**
 * A Kubernetes cluster on one machine: a real control plane, an underlay, and
 * nodes with kubelets. Everything runs in the place of this process and ends
 * with it.
 *
 * @module
 */

import { findPlugins, PLUGINS } from "../lab/cni.ts";
import { inTurns, must, type RunOptions, SHELL } from "../lab/exec.ts";
import { agentProgram } from "../lab/lab.ts";
import {
  type Family,
  type LabPlan,
  type NodePlan,
  planLab,
} from "../lab/plan.ts";
import { Space } from "../lab/space.ts";
import { BRIDGE, underlaySetup } from "../lab/underlay.ts";
import { findWireGuard } from "../lab/wireguard.ts";
import { ControlPlane, type Flags } from "./control_plane.ts";
import { agnhostImage, makeImage, pauseImage } from "./images.ts";
import { conditionOf, isReady, type KubeApi } from "./kube_api.ts";
import { KubeNode, type NodeSettings } from "./kube_node.ts";
import { KUSTOMIZE } from "./kubectl.ts";
import { serviceFamilies } from "./node_files.ts";
import { mustOwnPlace } from "./own_place.ts";
import { allowKubelets } from "./rights.ts";
import { builtTools, type Program, type Tools } from "./tools.ts";

export interface ClusterOptions {
  /** An empty folder for all that it writes. */
  readonly folder: string;
  /** Nodes that are booted; default 2. More can join: the plan has places for `SPARE` more. */
  readonly nodes?: number;
  /** Families of the nodes' own addresses; default IPv4. */
  readonly underlay?: readonly Family[];
  /** Families of the pods' addresses; default IPv4. */
  readonly pods?: readonly Family[];
  /**
   * The control plane's own host is a Node as well, which takes no pods: its API
   * server then reaches them. Default: it is a host outside.
   */
  readonly controlNode?: boolean;
  /** Runs on each node; default: none. */
  readonly proxy?: "iptables" | "nftables" | undefined;
  /** Default: those of this machine; `false`: the nodes have none. */
  readonly plugins?: boolean;
  /** Flags by program, in place of ours. */
  readonly flags?: Partial<Record<Program, Flags>>;
  /** More archives of images for each node. */
  readonly images?: readonly string[];
  /** Told what is done. */
  readonly say?: (text: string) => void;
}

/** Nodes of the plan that are not booted at the start. */
export const SPARE = 2;

/** Of Services, by family; outside of the pods' and the nodes' ranges. */
const SERVICE_CIDR: Readonly<Record<Family, string>> = {
  4: "10.96.0.0/16",
  6: "fd00:96::/112",
};

/** Node of the control plane's host. */
export const CONTROL_NODE = "control";

/** Booted at the same time. */
const AT_ONCE = 4;

export class Cluster implements AsyncDisposable {
  readonly settings: NodeSettings;
  readonly options: ClusterOptions;
  readonly nodes: KubeNode[] = [];
  #images: readonly string[] = [];
  #kubeconfig: string | undefined;

  private constructor(settings: NodeSettings, options: ClusterOptions) {
    this.settings = settings;
    this.options = options;
  }

  /** Control plane, nodes and kubelets; no agent. Resolves when all Nodes are registered and have podCIDRs. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const { folder, nodes = 2, say = (): void => {} } = options;
    const { cgroup } = mustOwnPlace();
    const plan = planLab({
      nodes: nodes + SPARE,
      seed: 1,
      ...{ underlay: options.underlay, pods: options.pods },
    });
    const env = {};
    const underlay = Space.here("the underlay", env);
    say("the underlay: a bridge, and the control plane's address on it");
    await must([SHELL, "-euc", underlaySetup(plan)]);
    const tools = await builtTools();
    const images = makeImages(tools, folder);
    const plane = await startControlPlane(plan, { ...options, tools });
    const settings = {
      ...{ plan, tools, plane, underlay, folder, cgroup, env },
      wireguard: await findWireGuard(underlay),
      agent: agentProgram(),
      pluginDir: options.plugins === false ? undefined : await pluginDir(),
    };
    const cluster = new Cluster(settings, options);
    try {
      cluster.#images = [...await images, ...options.images ?? []];
      await allowKubelets(plane.admin);
      say(`${nodes} nodes: containerd, images, kubelets`);
      const names = plan.nodes.slice(0, nodes).map(({ name }) => name);
      if (options.controlNode === true) names.push(CONTROL_NODE);
      await inTurns(names, (name) => cluster.join(name), AT_ONCE);
      await cluster.registered();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  get plane(): ControlPlane {
    return this.settings.plane;
  }

  get admin(): KubeApi {
    return this.settings.plane.admin;
  }

  get serviceFamilies(): readonly Family[] {
    return serviceFamilies(this.plan);
  }

  get plan(): LabPlan {
    return this.settings.plan;
  }

  /** @throws {RangeError} where there is no such node */
  node(name: string): KubeNode {
    const node = this.nodes.find((each) => each.name === name);
    if (node === undefined) throw new RangeError(`Cannot find node ${name}`);
    return node;
  }

  /** Boots a node of the plan, with its kubelet (and kube-proxy, where the cluster has it). */
  async join(name: string): Promise<KubeNode> {
    const known = [...this.plan.nodes, controlPlan(this.plan)];
    const plan = known.find((each) => each.name === name);
    if (plan === undefined) throw new RangeError(`Cannot find node ${name}`);
    const node = await KubeNode.boot(plan, this.settings);
    this.nodes.push(node);
    this.nodes.sort((a, b) => a.name < b.name ? -1 : 1);
    const images = name === CONTROL_NODE ? [] : this.#images;
    for (const archive of images) await node.importImage(archive);
    this.startServices(node);
    return node;
  }

  /** What a boot starts: the kubelet, and kube-proxy where the cluster has it. */
  startServices(node: KubeNode): void {
    const { proxy, flags } = this.options;
    const taints = node.name === CONTROL_NODE
      ? { "register-with-taints": NO_PODS }
      : {};
    node.startKubelet({ ...taints, ...flags?.kubelet });
    if (proxy !== undefined) node.startProxy(proxy, flags?.["kube-proxy"]);
  }

  /** The node's end: its power, and its Node object. */
  async leave(name: string): Promise<void> {
    const node = this.node(name);
    await node.end();
    this.nodes.splice(this.nodes.indexOf(node), 1);
    await this.admin.delete(`/api/v1/nodes/${name}`);
  }

  /** Until each Node is there and has its podCIDRs, unless the cluster was started without node IPAM. */
  async registered(): Promise<void> {
    const { flags } = this.options;
    const ipam = flags?.["kube-controller-manager"]?.["allocate-node-cidrs"];
    const families = ipam === "false" ? 0 : this.plan.clusterCidrs.length;
    for (const { name } of this.nodes) {
      await this.admin.until(
        `/api/v1/nodes/${name}`,
        ({ spec }) => (spec.podCIDRs?.length ?? 0) >= families,
        { what: `${name} has podCIDRs` },
      );
    }
  }

  /** Until each Node is Ready and says that its network is up. */
  async ready(withinMs = 60_000): Promise<void> {
    for (const { name } of this.nodes) {
      await this.admin.until(
        `/api/v1/nodes/${name}`,
        (node) =>
          isReady(node) &&
          conditionOf(node, "NetworkUnavailable")?.status === "False",
        { what: `${name} is Ready, and its network up`, withinMs },
      );
    }
  }

  /** The agent as a service of every host, with the kubelets' credentials; until all are Ready. */
  async startAgents(flags: readonly string[] = []): Promise<void> {
    await this.kubectl(["apply", "-k", `${KUSTOMIZE}/overlays/host-service`]);
    for (const node of this.nodes) node.startAgent(flags);
    await this.ready();
  }

  /** As a person with an administrator's kubeconfig would. @throws {Error} with what it says */
  kubectl(
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<string> {
    return must(this.kubectlCommand(args), options);
  }

  /** File of an administrator's. */
  get kubeconfig(): string {
    this.#kubeconfig ??= this.plane.kubeconfig("admin", ["system:masters"]);
    return this.#kubeconfig;
  }

  kubectlCommand(args: readonly string[]): readonly string[] {
    const { tools } = this.settings;
    return [
      tools.path("kubectl"),
      `--kubeconfig=${this.kubeconfig}`,
      ...args,
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.end()));
    await this.plane[Symbol.asyncDispose]();
    // The place stays, and may get another cluster.
    await this.settings.underlay.run(["ip", "link", "del", BRIDGE]);
    await this.settings.underlay.end();
  }
}

/** As kubeadm keeps pods off it. */
const NO_PODS = "node-role.kubernetes.io/control-plane=:NoSchedule";

/** The host of the underlay's bridge; node IPAM gives it podCIDRs. */
function controlPlan({ gateways }: LabPlan): NodePlan {
  const none = { port: "", mac: "", podCidrs: [] };
  return { ...none, name: CONTROL_NODE, internalIps: gateways };
}

/** What every node gets. */
async function makeImages(
  tools: Tools,
  folder: string,
): Promise<readonly string[]> {
  const specs = [pauseImage(), agnhostImage(tools)];
  return await Promise.all(specs.map((spec) => makeImage(spec, folder)));
}

async function startControlPlane(
  plan: LabPlan,
  options: ClusterOptions & { readonly tools: Tools },
): Promise<ControlPlane> {
  const { tools, folder, flags } = options;
  return await ControlPlane.start({
    ...{ tools, folder },
    address: plan.apiAddress,
    clusterCidrs: plan.clusterCidrs,
    serviceCidrs: serviceFamilies(plan).map((family) => SERVICE_CIDR[family]),
    controllers: true,
    scheduler: true,
    ...(flags === undefined ? {} : { flags }),
  });
}

async function pluginDir(): Promise<string> {
  const dir = await findPlugins();
  if (dir !== undefined) return dir;
  throw new Error(`Cannot find the CNI plugins ${PLUGINS.join(", ")}`);
}
