/**
 * What all agents of a cluster say, while a person waits: how far it is stands on
 * the terminal, and is gone with the answer.
 *
 * @module
 */

import { countText } from "../view/units.ts";
import {
  type ClusterViewOptions,
  gatherCluster,
  type Progress,
} from "./cluster_view.ts";
import { progress } from "./terminal.ts";

/** @throws {FatalError} one sentence: the cluster cannot be asked, or is another one */
export async function askCluster(
  options: Omit<ClusterViewOptions, "signal" | "progress"> & {
    /** Ctrl-C ends the process. */
    readonly signal?: AbortSignal;
  },
  begin: Parameters<typeof gatherCluster>[1],
): Promise<void> {
  using _said = progress("asking the API server…");
  const { signal = new AbortController().signal, ...rest } = options;
  await gatherCluster({
    ...{ ...rest, signal },
    progress: (now) => void progress(progressText(now)),
  }, begin);
}

/** @param did to whom: "asked … agents" */
export function progressText(
  { asked, nodes, silent }: Progress,
  [did, whom] = ["asked", "agents"],
): string {
  const text = `${did} ${countText(asked)} of ${countText(nodes)} ${whom}…`;
  return silent === 0 ? text : `${text} ${countText(silent)} gave no answer`;
}
