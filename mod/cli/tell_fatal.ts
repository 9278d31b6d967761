/**
 * What ends the agent at its start, as an Event on its Node: who looks there
 * finds it, though there is no agent to ask. Loaded when that happens.
 *
 * @module
 */

import { writeEvent } from "../agent/tell_events.ts";
import type { Config } from "../core/config.ts";
import type { FatalError } from "../core/errors.ts";
import { problemOf, REASON_DOWN } from "../core/problem.ts";
import { systemClock as clock } from "../sys/clock.ts";
import { openKubeAccess } from "../sys/kube_auth.ts";
import { KubeClient } from "../sys/kube_client.ts";

/** Milliseconds that the end of the process waits for it. */
const WITHIN_MS = 2_000;

/**
 * Once, for what is known to be wrong with a node: not for a second agent, or
 * what else is only about this process. Never rejects, and says nothing: the
 * sentence is on standard error, and where the API server is away it says more.
 */
export async function tellFatal(
  config: Config,
  error: FatalError,
): Promise<void> {
  const { reason } = problemOf(error);
  if (!config.events || config.once || reason === REASON_DOWN) return;
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), WITHIN_MS);
  let client: KubeClient | undefined;
  try {
    const { annotation, kubeconfig, nodeName, server } = config;
    const access = await openKubeAccess({ kubeconfig, server, clock });
    client = new KubeClient(access, { annotation, clock });
    const { uid } = await client.getNode(nodeName, over.signal);
    await writeEvent({ api: client, wallClock: Date.now }, {
      node: { name: nodeName, uid },
      told: { type: "Warning", reason, note: error.message },
    }, over.signal);
  } catch {
    // Nothing is lost by it: see above.
  } finally {
    clearTimeout(timer);
    client?.close();
  }
}
