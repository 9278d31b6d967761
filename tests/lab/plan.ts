/**
 * Who is who in a lab: names and addresses of the nodes, drawn from a seed and
 * nothing else. The underlay's ranges never meet the cluster's.
 *
 * @module
 */

import { Random } from "../support/random.ts";

export type Family = 4 | 6;

export interface LabPlan {
  readonly seed: number;
  /** Families of the nodes' own addresses. */
  readonly underlay: readonly Family[];
  /** Families of the pods' addresses. */
  readonly pods: readonly Family[];
  readonly clusterCidrs: readonly string[];
  /** Where the API server listens: the first family of the underlay. */
  readonly apiAddress: string;
  readonly gateways: readonly string[];
  readonly nodes: readonly NodePlan[];
}

export interface NodePlan {
  readonly name: string;
  /** Its name on the underlay's bridge; empty: it is the host that the bridge is of. */
  readonly port: string;
  /** Locally administered hardware address. */
  readonly mac: string;
  /** One per family of the underlay, in that order. */
  readonly internalIps: readonly string[];
  /** One per family of the pods, in that order. */
  readonly podCidrs: readonly string[];
}

export interface PlanOptions {
  readonly nodes: number;
  readonly seed: number;
  readonly underlay?: readonly Family[] | undefined;
  readonly pods?: readonly Family[] | undefined;
}

/** Prefix lengths of the underlay's ranges. */
export const UNDERLAY_BITS: Readonly<Record<Family, number>> = { 4: 24, 6: 64 };

const UNDERLAY_BASE: Readonly<Record<Family, string>> = {
  4: "192.168.78.",
  6: "fd00:78::",
};
const CLUSTER_CIDR: Readonly<Record<Family, string>> = {
  4: "10.0.0.0/16",
  6: "fd00:10::/48",
};

/** Draws a lab of `nodes` nodes (1–200). */
export function planLab(options: PlanOptions): LabPlan {
  const { nodes, seed, underlay = [4], pods = [4] } = options;
  const random = new Random(seed);
  const range = Array.from({ length: 200 }, (_, index) => index + 10);
  const hosts = random.shuffle(range).slice(0, nodes).sort((a, b) => a - b);
  const subnets = random.shuffle(range);
  return {
    seed,
    underlay,
    pods,
    clusterCidrs: pods.map((family) => CLUSTER_CIDR[family]),
    apiAddress: underlayAddress(underlay[0] ?? 4, 1),
    gateways: underlay.map((family) => underlayAddress(family, 1)),
    nodes: hosts.map((host, index) => ({
      name: `n${index + 1}`,
      port: `n${index + 1}`,
      mac: `02:00:00:00:78:${host.toString(16).padStart(2, "0")}`,
      internalIps: underlay.map((family) => underlayAddress(family, host)),
      podCidrs: pods.map((family) => podCidr(family, subnets[index] ?? 0)),
    })),
  };
}

function underlayAddress(family: Family, host: number): string {
  return UNDERLAY_BASE[family] + host.toString(family === 4 ? 10 : 16);
}

function podCidr(family: Family, subnet: number): string {
  switch (family) {
    case 4:
      return `10.0.${subnet}.0/24`;
    case 6:
      return `fd00:10:0:${subnet.toString(16)}::/64`;
  }
}

export function familyOf(address: string): Family {
  return address.includes(":") ? 6 : 4;
}
