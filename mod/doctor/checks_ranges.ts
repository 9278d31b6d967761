/**
 * Checks of ranges that have to be free of each other, and of what the other
 * programs of Kubernetes take for them.
 *
 * @module
 */

import { overlaps } from "../core/address.ts";
import { preflight } from "../core/preflight.ts";
import { type Check, check, type Found } from "./check.ts";
import { seen, shellList } from "./evidence.ts";
import { addressOf, prefixOf, sameSet, within } from "./ranges.ts";
import {
  argumentShown,
  SERVICE_RANGE,
  wrongArguments,
} from "./program_arguments.ts";

export const RANGE_CHECKS: readonly Check[] = [
  check(
    "cidr-underlay",
    "the cluster CIDR against addresses that the machine needs",
    {
      needs: ["host", "config", "state"],
      find: ({ host, config, state: { self } }) =>
        preflight(config.clusterCidrs, {
          internalIps: (self?.internalIps ?? []).flatMap(addressOf),
          host,
          resolvers: [],
          apiServers: [],
        }).map(({ text: sentence }) => ({
          sentence,
          evidence: [seen("ip -o address show; ip route show default", "")],
          cure: "what the sentence says: a range that is free",
        })),
    },
  ),
  check("cidr-nodes", "other Nodes' addresses inside the cluster CIDR", {
    needs: ["nodes", "config"],
    find: ({ nodes, config }): Found | undefined => {
      const inside = nodes.flatMap(({ name, internalIps }) =>
        internalIps.filter((ip) =>
          config.clusterCidrs.some((cidr) => within(ip, cidr))
        ).map((ip) => `${name} ${ip}`)
      );
      const [first] = inside;
      if (first === undefined) return undefined;
      return {
        sentence: `The cluster CIDR ${
          config.clusterCidrs.join(",")
        } holds the InternalIP of a Node (${first}): what is meant for it would go into the tunnel`,
        evidence: [seen("kubectl get nodes -o wide", shellList(inside))],
        cure: "a cluster CIDR that overlaps no node's network",
      };
    },
  }),
  check("cidr-services", "the cluster CIDR against the Services' range", {
    needs: ["serviceRanges", "config"],
    find: ({ serviceRanges, config }) =>
      wrongArguments(serviceRanges, SERVICE_RANGE, (range) => {
        const wrong = range.split(",").find((text) => {
          const prefix = prefixOf(text);
          return prefix !== undefined &&
            config.clusterCidrs.some((cidr) => overlaps(cidr, prefix));
        });
        if (wrong === undefined) return undefined;
        return {
          sentence: `The Services' range ${wrong} overlaps the cluster CIDR ${
            config.clusterCidrs.join(",")
          }: some Services' addresses are pods'`,
          cure: "ranges that do not overlap, for one of the two",
        };
      }),
  }),
  check("cidr-controller", "kube-controller-manager's cluster CIDR", {
    needs: ["controllerManagers", "config"],
    find: ({ controllerManagers, config }) =>
      wrongArguments(controllerManagers, "--cluster-cidr", (theirs) => {
        const ours = config.clusterCidrs.join(",");
        if (sameSet(theirs, ours)) return undefined;
        return {
          sentence:
            `kube-controller-manager gives podCIDRs from ${theirs}, the agent has the cluster CIDR ${ours}`,
          cure: `the same for both: --cluster-cidr ${theirs} of the agent`,
        };
      }),
  }),
  check("kube-proxy-cidr", "kube-proxy's cluster CIDR", {
    needs: ["proxy", "config"],
    find: ({ proxy, config }): Found | undefined => {
      const { clusterCidr, detectLocalMode, from } = proxy;
      const ours = config.clusterCidrs.join(",");
      if (clusterCidr === "" || sameSet(clusterCidr, ours)) return undefined;
      if (!["", "ClusterCIDR"].includes(detectLocalMode)) return undefined;
      return {
        sentence:
          `kube-proxy takes ${clusterCidr} for the pods' range, the agent ${ours}: what it masquerades is wrong`,
        evidence: [
          from === "ConfigMap"
            ? seen(
              "kubectl -n kube-system get configmap kube-proxy -o yaml | grep -i clustercidr",
              `clusterCIDR: ${clusterCidr}`,
            )
            : argumentShown(from, "--cluster-cidr"),
        ],
        cure:
          `clusterCIDR: ${ours} in kube-proxy's configuration, and restart it`,
      };
    },
  }),
  check(
    "apiserver-address-types",
    "by which addresses the API server asks kubelets",
    {
      needs: ["apiServers"],
      find: ({ apiServers }) =>
        wrongArguments(
          apiServers,
          "--kubelet-preferred-address-types",
          (types) =>
            types.split(",").includes("InternalIP") ? undefined : {
              severity: "warning",
              sentence:
                `kube-apiserver asks kubelets by ${types} and not by InternalIP: logs and exec fail where those names do not resolve`,
              cure: "--kubelet-preferred-address-types=InternalIP,Hostname",
            },
        ),
    },
  ),
];
