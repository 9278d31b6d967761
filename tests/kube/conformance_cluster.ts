/**
 * The cluster that Kubernetes' own tests run on: two nodes for their pods, the
 * control plane's host as a third, kube-proxy, CoreDNS, and the images.
 *
 * @module
 */

import type { Family } from "../lab/plan.ts";
import { Cluster, type ClusterOptions } from "./cluster.ts";
import { corednsImage, startDns } from "./cluster_dns.ts";
import { e2eImageSpecs } from "./e2e_images.ts";
import { makeImage } from "./images.ts";
import { builtTools } from "./tools.ts";

/** Of nodes, pods and Services alike; the first is the default of Services. */
export const FAMILIES: Readonly<Record<string, readonly Family[]>> = {
  "ipv4": [4],
  "ipv6": [6],
  "dual-stack": [4, 6],
};

export interface ConformanceOptions {
  readonly folder: string;
  /** One of `FAMILIES`. */
  readonly family: string;
  readonly proxy: NonNullable<ClusterOptions["proxy"]>;
  readonly say?: (text: string) => void;
}

/** Ready, agents and name server included. */
export async function conformanceCluster(
  options: ConformanceOptions,
): Promise<Cluster> {
  const { folder, family, proxy, say = (): void => {} } = options;
  const families = FAMILIES[family];
  if (families === undefined) {
    throw new RangeError(`Cannot make a cluster of family "${family}"`);
  }
  const tools = await builtTools();
  const specs = [...await e2eImageSpecs(tools, folder), corednsImage(tools)];
  const images = await Promise.all(
    specs.map((spec) => makeImage(spec, folder)),
  );
  const cluster = await Cluster.start({
    ...{ folder, images, proxy, say },
    ...{ underlay: families, pods: families },
    controlNode: true,
  });
  try {
    say("agents");
    await cluster.startAgents();
    say("CoreDNS");
    await startDns(cluster);
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}
