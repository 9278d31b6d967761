/**
 * A small world of two nodes in which all ways between pods, nodes, Services and
 * a host outside can be tried.
 *
 * @module
 */

import { eventually } from "../lab/harness.ts";
import type { Family } from "../lab/plan.ts";
import { familyOf } from "../lab/plan.ts";
import type { Child } from "../lab/exec.ts";
import type { Space } from "../lab/space.ts";
import type { Cluster } from "./cluster.ts";
import { startProgram } from "./control_plane.ts";
import type { KubeNode } from "./kube_node.ts";
import { type PodOptions, type RunningPod, runPod } from "./pods.ts";
import {
  answersItsNode,
  HTTP_PORT,
  type Place,
  seenAs,
  UDP_PORT,
} from "./requests.ts";
import { makeService, type Service } from "./services.ts";

/** Of netexec in a node's own network, and of that outside. */
export const HOST_PORT = 8180;

/** Which the CNI plugin `portmap` leads to a pod; the next one for UDP. */
export const MAPPED_PORT = 8888;

export type ServiceName = "pod" | "neighbour" | "remote" | "local" | "host";

export interface World extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly n1: KubeNode;
  readonly n2: KubeNode;
  /** On n1. */
  readonly pod: RunningPod;
  /** On n1, with a hostPort. */
  readonly neighbour: RunningPod;
  /** On n2, with a hostPort. */
  readonly remote: RunningPod;
  /** A host outside of the cluster: the network of this process. */
  readonly outside: Space;
  readonly services: Readonly<Record<ServiceName, Service>>;
}

const hostPort = {
  ports: [
    { containerPort: HTTP_PORT, hostPort: MAPPED_PORT },
    { containerPort: UDP_PORT, hostPort: MAPPED_PORT + 1, protocol: "UDP" },
  ],
};
const onHost = {
  hostNetwork: true,
  args: ["netexec", `--http-port=${HOST_PORT}`, `--udp-port=${HOST_PORT + 1}`],
};

const PODS: readonly PodOptions[] = [
  { name: "pod", node: "n1" },
  { name: "neighbour", node: "n1", ...hostPort },
  { name: "remote", node: "n2", ...hostPort },
  { name: "host1", node: "n1", ...onHost },
  { name: "host2", node: "n2", ...onHost },
];

/** The nodes are Ready; kube-proxy runs. */
export async function makeWorld(cluster: Cluster): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const netexec = startNetexec(cluster);
  stack.defer(async () => {
    await netexec.stop();
  });
  const [[pod, neighbour, remote], services] = await Promise.all([
    runPods(cluster),
    makeServices(cluster),
  ]);
  const world = {
    ...{ cluster, pod, neighbour, remote, services },
    ...{ n1: cluster.node("n1"), n2: cluster.node("n2") },
    outside: cluster.settings.underlay,
  };
  await servicesAnswer(world);
  const end = stack.move();
  return { ...world, [Symbol.asyncDispose]: () => end.disposeAsync() };
}

/** On the host outside. */
export function startNetexec({ settings }: Cluster): Child {
  const { tools, folder } = settings;
  const command = [tools.path("agnhost"), ...onHost.args];
  return startProgram("netexec.outside", { command, folder });
}

/** One, a neighbour with a hostPort, and a remote one with a hostPort; beside them one in each node's own network. */
export async function runPods(
  cluster: Cluster,
): Promise<readonly [RunningPod, RunningPod, RunningPod]> {
  const [pod, neighbour, remote] = await Promise.all(
    PODS.map((options) => runPod(cluster, options)),
  );
  if (pod === undefined || neighbour === undefined || remote === undefined) {
    throw new RangeError("Cannot find the pods");
  }
  await Promise.all([pod, neighbour, remote].map(answersItsNode));
  const hosts = cluster.nodes.flatMap(({ plan }) => plan.internalIps);
  await Promise.all(
    hosts.map((address) =>
      eventually(
        `netexec answers at ${address}`,
        () => seenAs(cluster.settings.underlay, address, { port: HOST_PORT }),
        30_000,
      )
    ),
  );
  return [pod, neighbour, remote];
}

async function makeServices(
  cluster: Cluster,
): Promise<Readonly<Record<ServiceName, Service>>> {
  const make = (name: string, more = {}): Promise<Service> =>
    makeService(cluster, { name, app: name, port: HTTP_PORT, ...more });
  const nodePort = { nodePort: true };
  const [pod, neighbour, remote, local, host] = await Promise.all([
    make("pod"),
    make("neighbour", nodePort),
    make("remote", nodePort),
    make("local-neighbour", { app: "neighbour", local: true, ...nodePort }),
    make("host", { app: "host2", port: HOST_PORT }),
  ]);
  return { pod, neighbour, remote, local, host };
}

/** Until each node's kube-proxy knows all of them. */
export async function servicesAnswer(
  world: Omit<World, keyof AsyncDisposable>,
): Promise<void> {
  const { pod, remote, services } = world;
  const asks = Object.values(services).flatMap(({ name, clusterIps }) =>
    clusterIps.flatMap((address) =>
      [pod, remote].map((from) => ({ from, name, address }))
    )
  );
  const askable = asks.filter(({ name, address }) =>
    name !== "host" || hasUnderlay(world, familyOf(address))
  );
  await Promise.all(
    askable.map(({ from, name, address }) =>
      eventually(`${name} answers at ${address} to ${from.name}`, async () => {
        const options = { port: 80, withinSeconds: 1 };
        return await seenAs(from, address, options);
      }, 60_000)
    ),
  );
}

export function hasUnderlay(
  { cluster }: { readonly cluster: Cluster },
  family: Family,
): boolean {
  return cluster.plan.underlay.includes(family);
}

/** The one of that family. @throws {RangeError} where there is none */
export function ofFamily(
  addresses: readonly string[],
  family: Family,
): string {
  const found = addresses.find((each) => familyOf(each) === family);
  if (found !== undefined) return found;
  throw new RangeError(`Cannot find an IPv${family} address in ${addresses}`);
}

/** Where a request of that name begins. */
export function callerOf(
  world: World,
  from: "pod" | "node" | "outside",
): Place {
  switch (from) {
    case "pod":
      return world.pod;
    case "node":
      return world.n1.space;
    case "outside":
      return world.outside;
  }
}
