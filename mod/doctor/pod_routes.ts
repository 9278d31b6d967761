/**
 * Which routes lead to pods, and whose they are.
 *
 * @module
 */

import { contains, overlaps, type Prefix } from "../core/address.ts";
import { ROUTE_PROTOCOL } from "../core/state.ts";
import type { RouteFacts } from "../core/machine_facts.ts";
import type { Facts } from "./facts.ts";

/** Links by which single pods are reached. */
export function routesToPods(
  routes: readonly RouteFacts[],
  clusterCidrs: readonly Prefix[],
): readonly string[] {
  return routes.filter(({ destination }) =>
    inCluster(destination, clusterCidrs) === "host"
  ).map(({ device }) => device);
}

export function foreignRoutes(
  routes: readonly RouteFacts[],
  { links, config, self }: Pick<Facts, "links" | "config"> & {
    readonly self: Facts["state"]["self"];
  },
): readonly RouteFacts[] {
  const own = new Set<string>(self?.podCidrs ?? []);
  const pods = new Set(
    links.filter(({ kind }) => kind === "veth").map(({ name }) => name),
  );
  return routes.filter((route) => {
    if (route.table !== "main" || route.device === config.interface) {
      return false;
    }
    if (route.protocol === ROUTE_PROTOCOL) return false;
    const place = inCluster(route.destination, config.clusterCidrs);
    if (place === undefined) return false;
    // The plugin ptp's: a pod of our own.
    if (place === "host" && pods.has(route.device)) return false;
    return !own.has(route.destination);
  });
}

/** Is it the route of one address in a cluster CIDR, or of a range of them? */
function inCluster(
  destination: Prefix,
  clusterCidrs: readonly Prefix[],
): "host" | "range" | undefined {
  const cidr = clusterCidrs.find((one) => overlaps(one, destination));
  // A wider one, like the default route, is never asked.
  if (cidr === undefined || !contains(cidr, destination)) return undefined;
  return /\/(32|128)$/.test(destination) ? "host" : "range";
}

/** include/uapi/linux/rtnetlink.h, RTPROT_…; the numbers of daemons are kept by iproute2. */
const PROTOCOLS: Readonly<Record<number, string>> = {
  2: "kernel",
  3: "boot",
  4: "static",
  9: "ra",
  11: "zebra",
  12: "bird",
  16: "dhcp",
  186: "bgp",
};

/** As ip(8) calls it, where everybody does. */
export function protocolName(protocol: number): string {
  return PROTOCOLS[protocol] ?? String(protocol);
}
