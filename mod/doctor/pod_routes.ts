/**
 * Which routes lead to pods, and whose they are.
 *
 * @module
 */

import {
  contains,
  overlaps,
  parsePrefix,
  type Prefix,
} from "../core/address.ts";
import { ROUTE_PROTOCOL } from "../core/state.ts";
import type { Facts, RouteFacts } from "./facts.ts";

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
  const own = new Set(self?.podCidrs ?? []);
  const pods = new Set(
    links.filter(({ kind }) => kind === "veth").map(({ name }) => name),
  );
  return routes.filter((route) => {
    if (route.table !== "main" || route.device === config.interface) {
      return false;
    }
    if (route.protocol === String(ROUTE_PROTOCOL)) return false;
    const place = inCluster(route.destination, config.clusterCidrs);
    if (place === undefined) return false;
    // The plugin ptp's: a pod of our own.
    if (place === "host" && pods.has(route.device)) return false;
    return !own.has(route.destination);
  });
}

/** Is it the route of one address in a cluster CIDR, or of a range of them? */
function inCluster(
  destination: string,
  clusterCidrs: readonly Prefix[],
): "host" | "range" | undefined {
  const prefix = prefixOf(destination);
  if (prefix === undefined) return undefined;
  const cidr = clusterCidrs.find((one) => overlaps(one, prefix));
  // A wider one, like the default route, is never asked.
  if (cidr === undefined || !contains(cidr, prefix)) return undefined;
  return /\/(32|128)$/.test(prefix) ? "host" : "range";
}

function prefixOf(destination: string): Prefix | undefined {
  const bits = destination.includes(":") ? 128 : 32;
  try {
    return parsePrefix(
      destination.includes("/") ? destination : `${destination}/${bits}`,
    );
  } catch {
    return undefined; // "default"
  }
}
