/**
 * Pods of the tests: made through the API server, run by a kubelet, and then a
 * place to send packets from.
 *
 * @module
 */

import assert from "node:assert/strict";
import { must, run, type RunResult } from "../lab/exec.ts";
import { Probe, probeText } from "../lab/probe.ts";
import type { Cluster } from "./cluster.ts";
import { AGNHOST_IMAGE } from "./images.ts";
import { isReady, type KubeObject } from "./kube_api.ts";
import type { KubeNode } from "./kube_node.ts";

export interface PodOptions {
  readonly name: string;
  /** Default: where the scheduler puts it. */
  readonly node?: string;
  /** Of agnhost; default `netexec`: HTTP on 8080, UDP on 8081. */
  readonly args?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly hostNetwork?: boolean;
  readonly ports?: readonly Readonly<Record<string, unknown>>[];
  /** More fields of the pod's spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

export class RunningPod {
  readonly name: string;
  readonly node: KubeNode;
  /** One for each family of the pods. */
  readonly addresses: readonly string[];
  /** Of its container, as this process sees it. */
  readonly pid: number;

  constructor(
    node: KubeNode,
    options: {
      readonly name: string;
      readonly addresses: readonly string[];
      readonly pid: number;
    },
  ) {
    this.node = node;
    this.name = options.name;
    this.addresses = options.addresses;
    this.pid = options.pid;
  }

  /** The first one. */
  get address(): string {
    return this.addresses[0] ?? "";
  }

  /** A program of this machine, in the pod's network. */
  command(command: readonly string[]): readonly string[] {
    return ["nsenter", `--net=/proc/${this.pid}/ns/net`, "--", ...command];
  }

  run(command: readonly string[]): Promise<RunResult> {
    return run(this.command(command));
  }

  must(command: readonly string[]): Promise<string> {
    return must(this.command(command));
  }
}

/** Where pods of the tests live. */
export const PODS = "/api/v1/namespaces/default/pods";

/** Makes it and waits until it is Ready. */
export async function runPod(
  cluster: Cluster,
  options: PodOptions,
): Promise<RunningPod> {
  await createPod(cluster, options);
  return await podReady(cluster, options.name);
}

export async function createPod(
  { admin }: Cluster,
  options: PodOptions,
): Promise<void> {
  const { name, node, args = ["netexec"], labels = {} } = options;
  await admin.create(PODS, {
    metadata: { name, labels: { app: name, ...labels } },
    spec: {
      terminationGracePeriodSeconds: 0,
      hostNetwork: options.hostNetwork === true,
      // The scheduler is asked all the same: the node's name alone would pass it by.
      ...(node === undefined
        ? {}
        : { nodeSelector: { "kubernetes.io/hostname": node } }),
      containers: [{
        name: "agnhost",
        image: AGNHOST_IMAGE,
        imagePullPolicy: "Never",
        args,
        ...(options.ports === undefined ? {} : { ports: options.ports }),
      }],
      ...options.spec,
    },
  });
}

export async function podReady(
  cluster: Cluster,
  name: string,
): Promise<RunningPod> {
  const pod = await cluster.admin.until(`${PODS}/${name}`, isReady, {
    what: `pod ${name} is Ready`,
    withinMs: 60_000,
  });
  const node = cluster.node(pod.spec.nodeName);
  return new RunningPod(node, {
    name,
    pid: await containerPid(node, pod),
    addresses: pod.status.podIPs.map(({ ip }: { ip: string }) => ip),
  });
}

/** Of a pod's first container, as this process sees it. */
export async function containerPid(
  node: KubeNode,
  { status }: KubeObject,
): Promise<number> {
  const id = status.containerStatuses[0].containerID.replace(/^.*\//, "");
  const state = `/run/containerd/io.containerd.runtime.v2.task/k8s.io/${id}`;
  return Number(await node.space.must(["cat", `${state}/init.pid`]));
}

/** Ends it and waits until it is gone. */
export async function removePod(cluster: Cluster, name: string): Promise<void> {
  const path = `${PODS}/${name}`;
  await cluster.admin.must("DELETE", path, {
    body: { kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds: 0 },
  });
  for (let tries = 0; tries < 600; tries++) {
    const { status } = await cluster.admin.call("GET", path);
    if (status === 404) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Cannot remove pod ${name}: it is still there`);
}

/** Packets a second: enough to see a gap of 10 ms. */
const PROBE_RATE = 100;

/** Sends packets both ways between the two while something is done; fails if one is lost. */
export async function losesNothing(
  [a, b]: readonly [RunningPod, RunningPod],
  deed: () => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const probes: Probe[] = [];
  for (const [from, to] of [[a, b], [b, a]] as const) {
    const probe = await Probe.start({
      from: (command) => from.command(command),
      to: (command) => to.command(command),
      address: to.address,
      rate: PROBE_RATE,
    });
    probes.push(stack.use(probe));
  }
  await deed();
  for (const report of await Promise.all(probes.map((each) => each.stop()))) {
    assert.ok(report.sent > 0, "nothing was sent");
    assert.equal(report.lost, 0, probeText(report));
  }
}
