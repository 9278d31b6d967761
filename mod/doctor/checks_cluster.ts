/**
 * Checks of what the cluster says: the API server, rights, Nodes, ranges, and
 * the other programs of Kubernetes.
 *
 * @module
 */

import {
  type Address,
  contains,
  overlaps,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../core/address.ts";
import { preflight } from "../core/preflight.ts";
import { type Check, check, type Found } from "./check.ts";
import { seen, shellList } from "./evidence.ts";

/** Seconds: certificates and tokens are refused for less than this now and then. */
const SKEW_SECONDS = 30;

/** Milliseconds for a small answer. */
const SLOW_MS = 2_000;

export const CLUSTER_CHECKS: readonly Check[] = [
  check("api-unreachable", "whether the API server answers our credentials", {
    needs: ["api"],
    find: ({ api: { error, server } }): Found | undefined =>
      error === null || isName(error) ? undefined : {
        sentence: error,
        evidence: [seen(`curl -sS --cacert CA ${server}/version`, error)],
        cure:
          "what the sentence names; docs/troubleshooting.md has a row for it",
      },
  }),
  check("api-name", "whether the API server's name can be resolved", {
    needs: ["api", "resolvers"],
    find: ({ api: { error, server }, resolvers }): Found | undefined => {
      if (error === null || !isName(error)) return undefined;
      const { hostname } = new URL(server);
      return {
        sentence: `The API server's name ${hostname} cannot be resolved`,
        evidence: [
          seen(`getent hosts ${hostname}`, error),
          seen("cat /etc/resolv.conf", resolvers.join("\n")),
        ],
        cure:
          "mend /etc/resolv.conf or /etc/hosts, or give an address: --server",
      };
    },
  }),
  check("api-slow", "how long the API server takes", {
    needs: ["api"],
    find: ({ api: { error, milliseconds, server } }): Found | undefined =>
      error !== null || milliseconds < SLOW_MS ? undefined : {
        severity: "warning",
        sentence: `The API server takes ${
          (milliseconds / 1_000).toFixed(1)
        } s for a small answer`,
        evidence: [
          seen(`time curl -sS ${server}/version`, `${milliseconds} ms`),
        ],
        cure: "look at kube-apiserver's and etcd's load, and at the way there",
      },
  }),
  check("credentials-stale", "credentials that were renewed and not read", {
    needs: ["agent", "api"],
    find: ({ agent, api }): Found | undefined => {
      const { error } = agent.api;
      if (api.error !== null || error === null) return undefined;
      if (!/\b401\b|certificate|credentials/i.test(error)) return undefined;
      return {
        sentence:
          "The agent is refused with the credentials that it has, those in the files are accepted",
        evidence: [seen("clusternet status -o json", error)],
        cure:
          "systemctl reload clusternet (SIGHUP) reads them again, without losing a packet",
      };
    },
  }),
  check("rbac", "whether the agent's credentials may do what it does", {
    needs: ["rights"],
    find: ({ rights }): Found | undefined => {
      const denied = [...rights].filter(([, allowed]) => !allowed)
        .map(([what]) => what);
      if (denied.length === 0) return undefined;
      return {
        sentence: `The agent's credentials may not ${denied.join(", ")}`,
        evidence: denied.map((what) =>
          seen(`kubectl auth can-i ${what}`, "no")
        ),
        cure: "kubectl apply -k deploy/kustomize/overlays/host-service " +
          "(the kubelet's credentials), or deploy/kustomize/base (pods)",
      };
    },
  }),
  check("clock", "this clock against the API server's", {
    needs: ["api"],
    find: ({ api: { aheadSeconds, server } }): Found | undefined => {
      if (aheadSeconds === null || Math.abs(aheadSeconds) < SKEW_SECONDS) {
        return undefined;
      }
      const way = aheadSeconds > 0 ? "ahead of" : "behind";
      return {
        severity: "warning",
        sentence: `This clock is ${
          Math.abs(Math.round(aheadSeconds))
        } s ${way} the API server's: certificates and tokens may be refused`,
        evidence: [
          seen("date -u", `${way} by ${Math.round(aheadSeconds)} s`),
          seen(`curl -sSI ${server}/version | grep -i ^date`, ""),
        ],
        cure: "timedatectl set-ntp true, on the machine whose clock is wrong",
      };
    },
  }),
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
    needs: ["state", "config"],
    find: ({ state: { self }, config }): Found | undefined => {
      if (self === null || self.podCidrs.length > 0) return undefined;
      return {
        sentence: `Node ${self.name} has no podCIDRs: nobody assigns them`,
        evidence: [
          seen(
            `kubectl get node ${self.name} -o jsonpath='{.spec.podCIDRs}'`,
            "",
          ),
        ],
        cure: `kube-controller-manager --allocate-node-cidrs --cluster-cidr=${
          config.clusterCidrs.join(",")
        }`,
      };
    },
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
        }).map((sentence) => ({
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
    needs: ["processes", "config"],
    find: ({ processes, config }): Found | undefined => {
      const holder = processes.apiServer ?? processes.controllerManager;
      const range = valueOf(holder?.args ?? [], "--service-cluster-ip-range");
      const wrong = range?.split(",").find((text) => {
        const prefix = prefixOf(text);
        return prefix !== undefined &&
          config.clusterCidrs.some((cidr) => overlaps(cidr, prefix));
      });
      if (wrong === undefined) return undefined;
      return {
        sentence: `The Services' range ${wrong} overlaps the cluster CIDR ${
          config.clusterCidrs.join(",")
        }: some Services' addresses are pods'`,
        evidence: [
          seen(
            `tr '\\0' '\\n' < /proc/${holder?.pid}/cmdline | grep service-cluster-ip-range`,
            `--service-cluster-ip-range=${range}`,
          ),
        ],
        cure: "ranges that do not overlap, for one of the two",
      };
    },
  }),
  check("cidr-controller", "kube-controller-manager's cluster CIDR", {
    needs: ["processes", "config"],
    find: ({ processes: { controllerManager }, config }): Found | undefined => {
      const theirs = valueOf(controllerManager?.args ?? [], "--cluster-cidr");
      const ours = config.clusterCidrs.join(",");
      if (theirs === undefined || sameSet(theirs, ours)) return undefined;
      return {
        sentence:
          `kube-controller-manager gives podCIDRs from ${theirs}, the agent has the cluster CIDR ${ours}`,
        evidence: [
          seen(
            `tr '\\0' '\\n' < /proc/${controllerManager?.pid}/cmdline | grep cluster-cidr`,
            `--cluster-cidr=${theirs}`,
          ),
        ],
        cure: `the same for both: --cluster-cidr ${theirs} of the agent`,
      };
    },
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
          seen(
            "kubectl -n kube-system get configmap kube-proxy -o yaml | grep -i clustercidr",
            `clusterCIDR: ${clusterCidr} (${from})`,
          ),
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
      needs: ["processes"],
      find: ({ processes: { apiServer } }): Found | undefined => {
        const types = valueOf(
          apiServer?.args ?? [],
          "--kubelet-preferred-address-types",
        );
        if (types === undefined || types.split(",").includes("InternalIP")) {
          return undefined;
        }
        return {
          severity: "warning",
          sentence:
            `kube-apiserver asks kubelets by ${types} and not by InternalIP: logs and exec fail where those names do not resolve`,
          evidence: [
            seen(
              `tr '\\0' '\\n' < /proc/${apiServer?.pid}/cmdline | grep address-types`,
              `--kubelet-preferred-address-types=${types}`,
            ),
          ],
          cure: "--kubelet-preferred-address-types=InternalIP,Hostname",
        };
      },
    },
  ),
];

/** The sentence of a name that is not known (`sys/kube_error.ts`). */
function isName(error: string): boolean {
  return /cannot be resolved/.test(error);
}

/** `--name=value` or `--name value`. */
export function valueOf(
  args: readonly string[],
  name: string,
): string | undefined {
  const at = args.findIndex((arg) =>
    arg === name || arg.startsWith(`${name}=`)
  );
  const arg = args[at];
  if (arg === undefined) return undefined;
  return arg === name ? args[at + 1] : arg.slice(name.length + 1);
}

function sameSet(a: string, b: string): boolean {
  const canonicalSet = (text: string): string =>
    text.split(",").map((one) => String(prefixOf(one.trim()) ?? one)).sort()
      .join();
  return canonicalSet(a) === canonicalSet(b);
}

function within(text: string, cidr: Prefix): boolean {
  const inner = prefixOf(text) ?? addressOf(text)[0];
  return inner !== undefined && contains(cidr, inner);
}

function prefixOf(text: string): Prefix | undefined {
  try {
    return parsePrefix(text);
  } catch {
    return undefined;
  }
}

function addressOf(text: string): readonly Address[] {
  try {
    return [parseAddress(text)];
  } catch {
    return [];
  }
}

function canonical(text: string): string {
  return addressOf(text)[0] ?? text;
}
