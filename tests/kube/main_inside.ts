/**
 * `deno task cluster`, in the place of the cluster: starts it, says what to try,
 * and stays.
 *
 * @module
 */

import { Cluster } from "./cluster.ts";
import { listenInside } from "./forward.ts";
import type { Inside } from "./main.ts";
import { mustOwnPlace } from "./own_place.ts";
import { runPod } from "./pods.ts";

const API_PORT = 6443;

async function main(options: Inside): Promise<never> {
  const { nodes, dualStack, proxy, port, socket } = options;
  const place = mustOwnPlace();
  const began = performance.now();
  const say = (text: string): void => {
    const seconds = ((performance.now() - began) / 1_000).toFixed(1);
    console.log(`${seconds.padStart(6)} s  ${text}`);
  };
  const folder = `${place.folder}/cluster`;
  Deno.mkdirSync(folder);
  const both = [4, 6] as const;
  say("the control plane");
  const cluster = await Cluster.start({
    ...{ folder, nodes, proxy, say },
    ...(dualStack ? { underlay: both, pods: both } : {}),
  });
  listenInside(socket, {
    hostname: cluster.plan.apiAddress,
    port: API_PORT,
  });
  say("the agent on each node");
  await cluster.startAgents();
  say("two pods");
  const last = cluster.nodes.at(-1)?.name ?? "n1";
  const [, b] = await Promise.all([
    runPod(cluster, { name: "a", node: "n1" }),
    runPod(cluster, { name: "b", node: last }),
  ]);
  const kubeconfig = `${place.folder}/kubeconfig`;
  const { credentials } = cluster.plane;
  const admin = credentials.user("admin", ["system:masters"]);
  await Deno.writeTextFile(
    kubeconfig,
    credentials.kubeconfig(`https://127.0.0.1:${port}`, admin),
    { mode: 0o600 },
  );
  say("it stands; Ctrl-C ends it");
  console.log(whatToTry(cluster, { kubeconfig, address: b.address }));
  return await new Promise<never>(() => {
    // A timer keeps the process; the place ends it.
    setInterval(() => {}, 60_000);
  });
}

function whatToTry(
  cluster: Cluster,
  { kubeconfig, address }: {
    readonly kubeconfig: string;
    readonly address: string;
  },
): string {
  const { tools, folder } = cluster.settings;
  const nodes = cluster.nodes.map(({ space, name }) =>
    `  nsenter -t $(lsns -n -t net -o NS,PID | awk '$1 == ${
      /\d+/.exec(space.netns)?.[0]
    } {print $2}') -n -m -u   # ${name}`
  );
  return `
  export KUBECONFIG=${kubeconfig}
  alias kubectl=${tools.path("kubectl")}
  kubectl get nodes -o wide
  kubectl describe node n1
  kubectl exec a -- ping -c 3 ${address}
  kubectl logs b

A shell on a node, where \`wg show\`, \`ip route\` and \`nft list ruleset\` tell more:
${nodes.join("\n")}

What each part says: ${folder}/*.log
`;
}

if (import.meta.main) {
  try {
    await main(JSON.parse(Deno.args[0] ?? "{}"));
  } catch (error) {
    console.error(
      `cluster: ${error instanceof Error ? error.message : error}`,
    );
    Deno.exit(1);
  }
}
