/**
 * What all agents of a cluster say, while a person waits: how far it is stands on
 * the terminal, and is gone with the answer.
 *
 * @module
 */

import type { ClusterView } from "../core/cluster_view.ts";
import { type ClusterViewOptions, gatherCluster } from "./cluster_view.ts";
import { progress } from "./terminal.ts";

/** @throws {FatalError} one sentence: the cluster cannot be asked, or is another one */
export async function askCluster(
  options: Omit<ClusterViewOptions, "signal" | "progress">,
): Promise<ClusterView> {
  using _said = progress("asking the API server…");
  return await gatherCluster({
    ...options,
    // Ctrl-C ends the process.
    signal: new AbortController().signal,
    progress: (asked, nodes) => {
      progress(`asked ${asked} of ${nodes} Nodes…`);
    },
  });
}
