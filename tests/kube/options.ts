/**
 * The command line of `deno task cluster`.
 *
 * @module
 */

import { parseArgs } from "node:util";

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
  const { values, positionals } = parse(args);
  if (values.help === true) return "help";
  const [extra] = positionals;
  if (extra !== undefined) {
    throw new SyntaxError(`Cannot use "${extra}": it takes only options`);
  }
  const { nodes = "2", proxy = "nftables" } = values;
  const count = /^\d{1,3}$/.test(nodes) ? Number(nodes) : 0;
  if (count < 1 || count > MAX_NODES) {
    throw new SyntaxError(
      `Cannot use --nodes ${nodes}: write a whole number from 1 to ${MAX_NODES}`,
    );
  }
  if (proxy !== "iptables" && proxy !== "nftables" && proxy !== "none") {
    throw new SyntaxError(
      `Cannot use --proxy ${proxy}: write nftables, iptables or none`,
    );
  }
  return {
    nodes: count,
    dualStack: values["dual-stack"] ?? false,
    proxy: proxy === "none" ? undefined : proxy,
    install: !(values["no-install"] ?? false),
  };
}

interface Parsed {
  readonly values: {
    readonly nodes?: string | undefined;
    readonly "dual-stack"?: boolean | undefined;
    readonly proxy?: string | undefined;
    readonly "no-install"?: boolean | undefined;
    readonly help?: boolean | undefined;
  };
  readonly positionals: readonly string[];
}

function parse(args: readonly string[]): Parsed {
  try {
    return parseArgs({
      args: args.filter((arg) => arg !== "--"),
      allowPositionals: true,
      options: {
        "nodes": { type: "string" },
        "dual-stack": { type: "boolean" },
        "proxy": { type: "string" },
        "no-install": { type: "boolean" },
        "help": { type: "boolean", short: "h" },
      },
    });
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const [sentence = ""] = text.split(/\.\s/);
    throw new SyntaxError(sentence, { cause });
  }
}
