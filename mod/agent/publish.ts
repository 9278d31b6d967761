/**
 * Our public key on our own Node, and nowhere else.
 *
 * It is published only after the kernel has been seen to hold the same key, and
 * written only when it differs: in the steady state there are no writes. Before
 * each write the Node is read, so that the patch fits what is there (annotations
 * may be absent) and the UID is that of the Node that was looked at.
 *
 * @module
 */

import {
  annotationPatch,
  type ObservedMetadata,
  type PatchOp,
} from "../core/json_patch.ts";
import type { PublicKey } from "../core/key.ts";
import type { Log } from "../core/log.ts";
import type { NodeRecord } from "../core/node.ts";
import { Pace } from "../core/pace.ts";
import { problemOf } from "../core/problem.ts";
import type { Bell } from "./bell.ts";
import type { Health } from "./health.ts";
import type { Clock } from "./ports.ts";

export interface NodeApi {
  getNode(name: string, signal: AbortSignal): Promise<ObservedMetadata>;
  patchNodeStatus(
    name: string,
    patch: readonly PatchOp[],
    signal: AbortSignal,
  ): Promise<void>;
}

export interface PublishOptions {
  readonly api: NodeApi;
  readonly bell: Bell;
  readonly clock: Clock;
  readonly health: Health;
  readonly log: Log;
  readonly nodeName: string;
  readonly annotation: string;
  readonly publicKey: PublicKey;
  /** Does the kernel hold this key, as last read? */
  verified(): boolean;
  /** Our Node as the watch last showed it; `undefined`: no such Node, or no list yet. */
  self(): NodeRecord | undefined;
}

/** Without the key a node is nobody's peer: some changes in a row are mended at once. */
const BURST = 16;

/**
 * A task: publishes at the start and whenever the watch shows another value;
 * ever more rarely where somebody keeps undoing it.
 */
export async function publishKey(
  options: PublishOptions,
  signal: AbortSignal,
): Promise<void> {
  const { bell, clock, health } = options;
  let confirmed: Confirmed | undefined;
  const pace = new Pace(clock, BURST);
  while (!signal.aborted) {
    bell.take();
    if (!options.verified()) {
      await bell.wait(30_000, { clock, signal });
      continue;
    }
    if (!needed(options, confirmed)) {
      health.report("key", []);
      await bell.wait(30_000, { clock, signal });
      continue;
    }
    const wait = pace.wait();
    if (wait > 0) {
      await clock.sleep(wait, signal);
      continue; // by then it may be there
    }
    try {
      const seen = options.self();
      confirmed = { uid: await publishOnce(options, pace, signal), seen };
      pace.succeeded();
      health.report("key", []);
    } catch (error) {
      if (signal.aborted) return;
      confirmed = undefined;
      health.report("key", [problemOf(error)]);
      await clock.sleep(pace.failed(retryAfterMs(error)), signal);
    }
  }
}

/** The Node that is known to hold our key, and what the watch had shown by then. */
interface Confirmed {
  readonly uid: string;
  readonly seen: NodeRecord | undefined;
}

/** A watch that lags behind our own write is no reason to ask again. */
function needed(
  options: PublishOptions,
  confirmed: Confirmed | undefined,
): boolean {
  if (confirmed === undefined) return true;
  const seen = options.self();
  if (seen === undefined || seen === confirmed.seen) return false;
  return seen.uid !== confirmed.uid || seen.publicKey !== options.publicKey;
}

/** @returns the UID of the Node that holds our key now */
async function publishOnce(
  options: PublishOptions,
  pace: Pace,
  signal: AbortSignal,
): Promise<string> {
  const { api, annotation, log, nodeName, publicKey } = options;
  pace.spend();
  const node = await api.getNode(nodeName, signal);
  if (node.annotations?.[annotation] === publicKey) return node.uid;
  const before = node.annotations?.[annotation];
  pace.spend();
  await api.patchNodeStatus(
    nodeName,
    annotationPatch(node, annotation, { value: publicKey }),
    signal,
  );
  log.info(`Published the public key on Node ${nodeName}`, {
    event: "key-published",
    node: nodeName,
    key: publicKey,
    before,
  });
  return node.uid;
}

/** What the server asked for, in milliseconds; 0 where it asked for nothing. */
export function retryAfterMs(error: unknown): number {
  if (!(error instanceof Error) || !("retryAfterSeconds" in error)) return 0;
  const seconds = error.retryAfterSeconds;
  return typeof seconds === "number" ? seconds * 1_000 : 0;
}
