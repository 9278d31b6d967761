/**
 * `deno task cluster`: a real cluster that stays until Ctrl-C.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { runKubeCommand } from "./command.ts";
import { listenOutside } from "./forward.ts";
import {
  CLUSTER_HELP,
  type ClusterCommand,
  parseClusterArgs,
} from "./options.ts";
import { inOwnPlace } from "./own_place.ts";

const INSIDE = fileURLToPath(new URL("./main_inside.ts", import.meta.url));

/** What the program in the place is told. */
export interface Inside extends Omit<ClusterCommand, "install"> {
  /** Of the loopback, outside. */
  readonly port: number;
  /** That joins it to the API server. */
  readonly socket: string;
}

/** The name of a socket has 107 bytes at most (unix(7)): whatever TMPDIR says. */
const SOCKETS = "/tmp";

async function stay(
  options: Omit<Inside, "port" | "socket">,
  signal: AbortSignal,
): Promise<number> {
  const folder = await Deno.makeTempDir({
    dir: SOCKETS,
    prefix: "clusternet-api-",
  });
  const socket = `${folder}/api.sock`;
  const outside = listenOutside(socket);
  const inside: Inside = { ...options, port: outside.port, socket };
  try {
    return await inOwnPlace(() => [
      Deno.execPath(),
      ...["run", "--allow-all", "--no-check", "--no-prompt", "--quiet"],
      ...[INSIDE, JSON.stringify(inside)],
    ], { signal });
  } finally {
    outside.close();
    await Deno.remove(folder, { recursive: true });
    if (signal.aborted) console.log("cluster: everything is taken down");
  }
}

if (import.meta.main) {
  const code = await runKubeCommand({
    name: "cluster",
    help: CLUSTER_HELP,
    parse: parseClusterArgs,
    work: ({ nodes, dualStack, proxy }, signal) =>
      stay({ nodes, dualStack, proxy }, signal),
  }, Deno.args);
  Deno.exit(code);
}
