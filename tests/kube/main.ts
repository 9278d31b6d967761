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
}

async function stay(
  options: Omit<Inside, "port">,
  signal: AbortSignal,
): Promise<number> {
  let outside: ReturnType<typeof listenOutside> | undefined;
  try {
    return await inOwnPlace((place) => {
      outside = listenOutside(`${place.folder}/api.sock`);
      const inside: Inside = { ...options, port: outside.port };
      return [
        Deno.execPath(),
        ...["run", "--allow-all", "--no-check", "--no-prompt", "--quiet"],
        ...[INSIDE, JSON.stringify(inside)],
      ];
    }, { signal });
  } finally {
    outside?.close();
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
