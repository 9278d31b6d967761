/**
 * What `clusternet uninstall` takes back from the Node object: the condition
 * `NetworkUnavailable`, for which nobody answers any more, and with --purge the
 * annotation, by which the other nodes keep this one as a peer.
 *
 * An API server that is away holds nothing up: the commands are printed instead.
 *
 * @module
 */

import type { Config } from "../core/config.ts";
import { errorText } from "../core/errors.ts";
import { conditionRemovalText, removalPatch } from "../core/node_condition.ts";
import { systemClock as clock } from "../sys/clock.ts";
import { openKubeAccess } from "../sys/kube_auth.ts";
import { KubeClient } from "../sys/kube_client.ts";
import { ApiError } from "../sys/kube_error.ts";

/** How the service reached the API server, and as which Node. */
export interface NodeService {
  readonly config: Config;
  /** The variables that it had. */
  readonly env: Readonly<Record<string, string>>;
}

export interface WithdrawOptions {
  /** The annotation too. */
  readonly purge: boolean;
}

/** Milliseconds. */
const PATIENCE_MS = 10_000;

/** @returns why it could not be done, in a sentence; `undefined`: it is done */
export async function withdraw(
  { config, env }: NodeService,
  { purge }: WithdrawOptions,
): Promise<string | undefined> {
  const { kubeconfig, nodeName, server } = config;
  const annotation = purge ? config.annotation : undefined;
  const over = AbortSignal.timeout(PATIENCE_MS);
  let client: KubeClient | undefined;
  try {
    const access = await openKubeAccess({ kubeconfig, server, clock, env });
    client = new KubeClient(access, { clock, annotation: config.annotation });
    const node = await client.getNode(nodeName, over);
    const patch = removalPatch(node, { annotation });
    if (patch === undefined) return undefined;
    await client.mergeNodeStatus(nodeName, patch, over);
    for (const line of lines(config, { purge })) console.log(line);
    return undefined;
  } catch (error) {
    if (error instanceof ApiError && error.status.code === 404) {
      return undefined; // it has left the cluster
    }
    return over.aborted
      ? `Cannot reach the API server within ${PATIENCE_MS / 1_000} s`
      : errorText(error);
  } finally {
    client?.close();
  }
}

/** What a dry run shows. */
export function listNode(
  { config }: NodeService,
  options: WithdrawOptions,
): void {
  for (const line of lines(config, options)) console.log(line);
}

/** What is left to be done by others. */
export function tellNode(
  { config }: NodeService,
  { purge, unsaid }: WithdrawOptions & { readonly unsaid: string | undefined },
): void {
  if (unsaid !== undefined) {
    console.log(
      `Cannot take back what Node ${config.nodeName} says of its network: ${unsaid}. By hand:`,
    );
    console.log(`  ${conditionRemovalText(config.nodeName)}`);
  }
  if (purge && unsaid === undefined) return;
  console.log(
    `Other nodes keep this one as a peer until its annotation is gone: ${
      annotationRemovalText(config)
    }`,
  );
}

function lines(config: Config, { purge }: WithdrawOptions): readonly string[] {
  return [
    conditionRemovalText(config.nodeName),
    ...purge ? [annotationRemovalText(config)] : [],
  ];
}

function annotationRemovalText({ annotation, nodeName }: Config): string {
  return `kubectl annotate node ${nodeName} ${annotation}-`;
}
