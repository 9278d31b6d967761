/**
 * The ways that a request can take in a cluster with kube-proxy, and what is
 * seen of each: whose address the server sees, how often an address was
 * translated, and whether it passed a wire in clear. The caller is on the first
 * node, or enters the cluster there.
 *
 * Each request carries a marker of its own; a witness at each node's port of the
 * underlay tells whether that was to be read there.
 *
 * @module
 */

import { Child, inTurns } from "../lab/exec.ts";
import { pause } from "../lab/harness.ts";
import type { Family } from "../lab/plan.ts";
import {
  tcpConnections,
  type Translations,
  translations,
} from "./conntrack.ts";
import { gatewayOf, HTTP_PORT, seenAs } from "./requests.ts";
import {
  callerOf,
  hasUnderlay,
  HOST_PORT,
  MAPPED_PORT,
  ofFamily,
  type ServiceName,
  type World,
} from "./world.ts";

type Caller = "pod" | "node" | "outside";
type NodeName = "n1" | "n2";

interface Target {
  readonly address: string;
  readonly port: number;
}

type Aim = (world: World, family: Family) => Target;

function podAt(name: "neighbour" | "remote"): Aim {
  return (world, family) => ({
    address: ofFamily(world[name].addresses, family),
    port: HTTP_PORT,
  });
}

function nodeAt(name: NodeName, port: number): Aim {
  return (world, family) => ({
    address: ofFamily(world[name].plan.internalIps, family),
    port,
  });
}

const OUTSIDE: Aim = ({ cluster }, family) => ({
  address: ofFamily(cluster.plan.gateways, family),
  port: HOST_PORT,
});

function service(name: ServiceName): Aim {
  return ({ services }, family) => ({
    address: ofFamily(services[name].clusterIps, family),
    port: 80,
  });
}

function nodePort(node: NodeName, name: ServiceName): Aim {
  return (world, family) =>
    nodeAt(node, world.services[name].nodePort ?? 0)(world, family);
}

/** From, to, by what kind of address, which one, and where the server is. */
type Path = readonly [Caller, string, string, Aim, NodeName | "outside"];

/** In the order of the documentation's table. */
const PATHS: readonly Path[] = [
  ["pod", "pod, same node", "its address", podAt("neighbour"), "n1"],
  ["pod", "pod, other node", "its address", podAt("remote"), "n2"],
  ["pod", "own node", "its address", nodeAt("n1", HOST_PORT), "n1"],
  ["pod", "other node", "its address", nodeAt("n2", HOST_PORT), "n2"],
  ["pod", "outside", "its address", OUTSIDE, "outside"],
  ["pod", "pod, same node", "Service", service("neighbour"), "n1"],
  ["pod", "pod, other node", "Service", service("remote"), "n2"],
  ["pod", "itself", "Service", service("pod"), "n1"],
  ["pod", "other node", "Service", service("host"), "n2"],
  ["pod", "pod, other node", "own NodePort", nodePort("n1", "remote"), "n2"],
  ["pod", "pod, other node", "its NodePort", nodePort("n2", "remote"), "n2"],
  ["pod", "pod, same node", "hostPort", nodeAt("n1", MAPPED_PORT), "n1"],
  ["pod", "pod, other node", "hostPort", nodeAt("n2", MAPPED_PORT), "n2"],
  ["node", "pod, same node", "its address", podAt("neighbour"), "n1"],
  ["node", "pod, other node", "its address", podAt("remote"), "n2"],
  ["node", "other node", "its address", nodeAt("n2", HOST_PORT), "n2"],
  ["node", "pod, same node", "Service", service("neighbour"), "n1"],
  ["node", "pod, other node", "Service", service("remote"), "n2"],
  ["node", "pod, same node", "hostPort", nodeAt("n1", MAPPED_PORT), "n1"],
  ["node", "pod, other node", "hostPort", nodeAt("n2", MAPPED_PORT), "n2"],
  ["outside", "pod there", "NodePort", nodePort("n1", "neighbour"), "n1"],
  ["outside", "pod, other node", "NodePort", nodePort("n1", "remote"), "n2"],
  ["outside", "pod there", "NodePort, Local", nodePort("n1", "local"), "n1"],
  [
    "outside",
    "pod, other node",
    "NodePort, Local",
    nodePort("n2", "local"),
    "n1",
  ],
  ["outside", "pod there", "hostPort", nodeAt("n1", MAPPED_PORT), "n1"],
];

/** Cells of the documentation's table. */
export interface PathResult {
  readonly from: string;
  readonly to: string;
  readonly by: string;
  readonly source: string;
  readonly translated: string;
  readonly wire: string;
}

/** Of callers, so that each connection is known by its port. */
let clientPort = 20_000;

/** Requests at the same time. */
const AT_ONCE = 4;

/** Tries them all, save those that need addresses of the underlay that it does not have. */
export async function measurePaths(
  world: World,
  family: Family,
): Promise<readonly PathResult[]> {
  const paths = PATHS.filter(([from, to, by]) =>
    hasUnderlay(world, family) || isAmongPods({ from, to, by })
  );
  await using witness = await Witness.start(world);
  const seen = await inTurns(paths, async ([from, , , aim]) => {
    const { address, port } = aim(world, family);
    const ownPort = clientPort++;
    const source = await seenAs(callerOf(world, from), address, {
      port,
      path: `/clientip?${marker(ownPort)}`,
      more: ["--local-port", String(ownPort)],
      withinSeconds: 3,
    });
    return { source, ownPort };
  }, AT_ONCE);
  const connections = await Promise.all(
    [world.n1, world.n2].map(({ space }) => tcpConnections(space, family)),
  );
  const inClear = await witness.stop();
  return paths.map(([from, to, by, , server], index) => {
    const { source, ownPort = 0 } = seen[index] ?? {};
    const whose = source === undefined
      ? "no answer"
      : whoseAddress(world, { from, source, family });
    const known = { from, to, by, source: whose };
    if (source === undefined) return { ...known, translated: "", wire: "" };
    return {
      ...known,
      translated: translatedText(translations(connections, ownPort)),
      wire: wireText(server, inClear(marker(ownPort))),
    };
  });
}

/** Nothing but pods' addresses, and Services' between pods. */
function isAmongPods(
  { from, to, by }: Pick<PathResult, "from" | "to" | "by">,
): boolean {
  if (by === "its address") return to.startsWith("pod");
  return from === "pod" && by === "Service" && to !== "other node";
}

function marker(ownPort: number): string {
  return `marker-${ownPort}-`;
}

function whoseAddress(
  { pod, remote, n1, cluster }: World,
  { from, source, family }: {
    readonly from: Caller;
    readonly source: string;
    readonly family: Family;
  },
): string {
  const gateways = [pod, remote].map(({ addresses }) =>
    gatewayOf(ofFamily(addresses, family))
  );
  const own: Readonly<Record<Caller, readonly string[]>> = {
    pod: pod.addresses,
    node: n1.plan.internalIps,
    outside: cluster.plan.gateways,
  };
  if (own[from].includes(source)) return "its own";
  if (n1.plan.internalIps.includes(source)) return "first node's";
  if (source === gateways[0]) return "first node's gateway";
  if (source === gateways[1]) return "other node's gateway";
  return source;
}

function translatedText({ source, destination }: Translations): string {
  const texts = [
    ...(source > 0 ? [source > 1 ? `source ${source}×` : "source"] : []),
    ...(destination > 0
      ? [destination > 1 ? `destination ${destination}×` : "destination"]
      : []),
  ];
  return texts.join(", ");
}

/** @param ports of the nodes at which it was to be read */
function wireText(
  server: NodeName | "outside",
  ports: readonly NodeName[],
): string {
  if (ports.length === 0) return server === "n1" ? "" : "encrypted";
  if (server === "outside" || ports.includes(server)) return "in clear";
  return "in clear, then encrypted";
}

const DOCUMENT = new URL("../../docs/how-it-works.md", import.meta.url);

/** What the documentation's table says of the ways that there are in that world. */
export function documentedPaths(
  world: World,
  family: Family,
): readonly PathResult[] {
  const text = Deno.readTextFileSync(DOCUMENT);
  const table = text.split("<!-- paths:")[1]?.split("<!-- /paths -->")[0];
  const rows = (table ?? "").split("\n").filter((line) => /^\| \w/.test(line));
  const results = rows.slice(1).map((line): PathResult => {
    const [from = "", to = "", by = "", ...seen] = line.split("|").slice(1)
      .map((cell) => cell.trim());
    const [source = "", translated = "", wire = ""] = seen;
    return { from, to, by, source, translated, wire };
  });
  return results.filter((result) =>
    hasUnderlay(world, family) || isAmongPods(result)
  );
}

/** As the documentation has it. */
export function tableText(results: readonly PathResult[]): string {
  const lines = results.map((row) =>
    [row.from, row.to, row.by, row.source, row.translated, row.wire].join(" | ")
  );
  const head =
    "from | to | by | source that is seen | translated | on the wire";
  return [head, "- | - | - | - | - | -", ...lines]
    .map((line) => `| ${line} |`).join("\n");
}

/** Sees what passes the nodes' ports of the underlay. */
class Witness implements AsyncDisposable {
  readonly #children: readonly Child[];
  readonly #texts = new Map<NodeName, string>();

  private constructor(names: readonly NodeName[], world: World) {
    this.#children = names.map((name) => {
      const decoder = new TextDecoder("latin1");
      return new Child(
        `tcpdump at ${name}`,
        world.outside.command([
          ...["tcpdump", "-i", world[name].plan.port, "-n", "-s", "0"],
          ...["-B", "8192", "-Z", "root", "--immediate-mode", "-U", "-w", "-"],
          `port not 6443 and port not 10250`,
        ]),
        {
          onBytes: (bytes) => {
            const text = this.#texts.get(name) ?? "";
            this.#texts.set(name, text + decoder.decode(bytes));
          },
        },
      );
    });
  }

  static async start(world: World): Promise<Witness> {
    const witness = new Witness(["n1", "n2"], world);
    await Promise.all(
      witness.#children.map((child) => child.line(/listening on/)),
    );
    return witness;
  }

  /** @returns at which ports a text was to be read */
  async stop(): Promise<(text: string) => readonly NodeName[]> {
    // tcpdump throws away what the kernel holds for it when it is interrupted.
    await pause(100);
    await Promise.all(this.#children.map((child) => child.stop("SIGINT")));
    return (text) =>
      [...this.#texts].filter(([, seen]) => seen.includes(text))
        .map(([name]) => name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop("SIGKILL")));
  }
}
