/**
 * The command line of `deno task cluster`.
 *
 * @module
 */

import { parseOptions, wholeNumber } from "../support/command_line.ts";

export interface ClusterCommand {
  readonly nodes: number;
  readonly dualStack: boolean;
  readonly proxy: "iptables" | "nftables" | undefined;
  readonly install: boolean;
}

export const CLUSTER_HELP =
  `A real Kubernetes cluster on this machine, with clusternet as its pod network.

Usage: deno task cluster [OPTIONS]          (as root)

  --nodes N       how many nodes, 1 to 20                          [2]
  --dual-stack    IPv4 and IPv6, for nodes, pods and Services
  --proxy MODE    kube-proxy on each node: nftables, iptables or none [nftables]
  --no-install    list the missing Debian packages and stop, install nothing
  --help          this text

Control plane, kubelets, containerd and agents run in namespaces of their own; the
agent is this tree, as a service of each node. It stays until Ctrl-C, prints a
kubeconfig and what to try, and leaves nothing behind. The first time it builds
Kubernetes from Go modules, which takes up to half an hour.
`;

const MAX_NODES = 20;

/**
 * @returns "help", or what was asked for
 * @throws {SyntaxError} one sentence
 */
export function parseClusterArgs(
  args: readonly string[],
): ClusterCommand | "help" {
  const values = parseOptions("it", args, {
    "nodes": { type: "string" },
    "dual-stack": { type: "boolean" },
    "proxy": { type: "string" },
    "no-install": { type: "boolean" },
    "help": { type: "boolean", short: "h" },
  });
  if (values.help === true) return "help";
  const { proxy = "nftables" } = values;
  if (proxy !== "iptables" && proxy !== "nftables" && proxy !== "none") {
    throw new SyntaxError(
      `Cannot use --proxy ${proxy}: write nftables, iptables or none`,
    );
  }
  return {
    nodes: wholeNumber("--nodes", values.nodes, {
      least: 1,
      most: MAX_NODES,
      otherwise: 2,
    }),
    dualStack: values["dual-stack"] ?? false,
    proxy: proxy === "none" ? undefined : proxy,
    install: !(values["no-install"] ?? false),
  };
}
