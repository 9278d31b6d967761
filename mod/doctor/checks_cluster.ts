/**
 * Checks of the Nodes: ours, what it is given, and those that are no peers.
 *
 * @module
 */

import { type Check, check, type Found } from "./check.ts";
import { seen, shellList } from "./evidence.ts";
import { canonical, within } from "./ranges.ts";

export const CLUSTER_CHECKS: readonly Check[] = [
  check("node-missing", "whether our Node is there", {
    needs: ["state", "config", "nodes"],
    find: ({ state: { self }, config, nodes }): Found | undefined =>
      self !== null ? undefined : {
        sentence: `There is no Node ${config.nodeName}`,
        evidence: [
          seen("kubectl get nodes", shellList(nodes.map(({ name }) => name))),
        ],
        cure:
          "is the kubelet registered (journalctl -u kubelet)? Else --node-name",
      },
  }),
  check("node-address", "our Node's InternalIP: there, and of this machine", {
    needs: ["state", "host"],
    find: ({ state: { self }, host }): Found | undefined => {
      if (self === null) return undefined;
      const command =
        `kubectl get node ${self.name} -o jsonpath='{.status.addresses}'`;
      const [first] = self.internalIps;
      if (first === undefined) {
        return {
          sentence:
            `Node ${self.name} has no InternalIP: nobody can be its peer`,
          evidence: [seen(command, "[]")],
          cure:
            "--node-ip of the kubelet; with a cloud provider, its controller has to set it",
        };
      }
      const local = host.addresses.map(({ address }) => String(address));
      if (local.includes(canonical(first))) return undefined;
      return {
        severity: "warning",
        sentence:
          `The InternalIP ${first} of Node ${self.name} is no address of this machine: behind NAT, peers send to whoever has it`,
        evidence: [
          seen(command, first),
          seen("ip -o address show", shellList(local)),
        ],
        cure: "--node-ip of the kubelet: an address that this machine has",
      };
    },
  }),
  check("ipam-off", "whether Nodes get podCIDRs", {
    needs: ["judged", "config"],
    find: ({ judged, config }) =>
      judged.filter(({ podCidrs }) => podCidrs.length === 0).map((
        { name },
      ) => ({
        sentence: `Node ${name} has no podCIDRs: nobody assigns them`,
        evidence: [
          seen(`kubectl get node ${name} -o jsonpath='{.spec.podCIDRs}'`, ""),
        ],
        cure: `kube-controller-manager --allocate-node-cidrs --cluster-cidr=${
          config.clusterCidrs.join(",")
        }`,
      })),
  }),
  check("pod-cidr-outside", "whether podCIDRs lie in the cluster CIDR", {
    needs: ["nodes", "config"],
    find: ({ nodes, config }): Found | undefined => {
      const outside = nodes.flatMap(({ name, podCidrs }) =>
        podCidrs.filter((cidr) =>
          !config.clusterCidrs.some((one) => within(cidr, one))
        ).map((cidr) => `${name} ${cidr}`)
      );
      const [first] = outside;
      if (first === undefined) return undefined;
      return {
        sentence: `${outside.length} podCIDRs are no part of the cluster CIDR ${
          config.clusterCidrs.join(",")
        } (${first})`,
        evidence: [
          seen(
            "kubectl get nodes -o custom-columns=N:.metadata.name,C:.spec.podCIDRs",
            shellList(outside),
          ),
        ],
        cure:
          "give the agent and kube-controller-manager the same --cluster-cidr; a Node keeps its podCIDRs until it is deleted and registers again",
      };
    },
  }),
  check("duplicate-claims", "Nodes that claim the same key or podCIDR", {
    needs: ["state"],
    find: ({ state: { unused } }) =>
      unused.filter(({ code }) => code === "conflict").map((
        { node, text },
      ) => ({
        sentence: `Node ${node}: ${text}`,
        evidence: [
          seen(
            "kubectl get nodes -o custom-columns=N:.metadata.name,C:.spec.podCIDRs,T:.metadata.creationTimestamp",
            text,
          ),
        ],
        cure:
          `the older Node keeps it; delete the other and let it register again: kubectl delete node ${node}`,
      })),
  }),
  check("nodes-unused", "Nodes that are no peers, and why", {
    needs: ["state", "config"],
    find: ({ state: { unused }, config }) =>
      unused.filter(({ code, node }) =>
        code !== "conflict" && node !== config.nodeName
      ).map(({ node, text }) => ({
        node,
        severity: "warning" as const,
        sentence: `Node ${node} is not wholly used: ${text}`,
        evidence: [seen(`kubectl describe node ${node}`, text)],
        cure: `on that node: clusternet doctor`,
      })),
  }),
];
