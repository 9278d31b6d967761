/**
 * The condition `NetworkUnavailable` of our own Node: False once all stands for
 * the first time, True while the network is down (`core/network_verdict.ts` says
 * when), and again whenever somebody else has written something else there.
 *
 * It is compared with what the watch shows: in the steady state there are no
 * requests. Before a write the Node is read, for its UID and the time of the last
 * transition. When the agent ends it stays as it is, as link and routes do.
 *
 * @module
 */

import type { Json } from "../core/json_patch.ts";
import type { Log } from "../core/log.ts";
import type { NetworkVerdict, Verdict } from "../core/network_verdict.ts";
import type { NodeRecord } from "../core/node.ts";
import {
  conditionPatch,
  type NetworkCondition,
  type ObservedNode,
  sameCondition,
} from "../core/node_condition.ts";
import { Pace } from "../core/pace.ts";
import { problemOf } from "../core/problem.ts";
import type { Bell } from "./bell.ts";
import type { Health } from "./health.ts";
import type { Clock } from "./ports.ts";
import { retryAfterMs } from "./publish.ts";

export interface ConditionApi {
  getNode(name: string, signal: AbortSignal): Promise<ObservedNode>;
  /** A strategic merge patch of `nodes/status`. */
  mergeNodeStatus(
    name: string,
    patch: Json,
    signal: AbortSignal,
  ): Promise<void>;
}

export interface ConditionOptions {
  readonly api: ConditionApi;
  /** Rings when our own Node has changed, or what is known of the network. */
  readonly bell: Bell;
  readonly clock: Clock;
  readonly health: Health;
  readonly log: Log;
  readonly nodeName: string;
  readonly verdict: NetworkVerdict;
  /** Our Node as the watch last showed it; `undefined`: no such Node, or no list yet. */
  self(): NodeRecord | undefined;
  /** The time of day: RFC 3339, UTC, whole seconds. */
  utcNow(): string;
}

/** Milliseconds after which it is looked at without a bell. */
const REST_MS = 30_000;

/** The Node that is known to say what was wanted, and what the watch had shown by then. */
interface Confirmed {
  readonly want: NetworkCondition;
  readonly seen: NodeRecord;
}

/** A task: writes whenever the Node says something else than is so. */
export async function publishCondition(
  options: ConditionOptions,
  signal: AbortSignal,
): Promise<void> {
  const { bell, clock, health } = options;
  const pace = new Pace(clock);
  let confirmed: Confirmed | undefined;
  while (!signal.aborted) {
    bell.take();
    const verdict = options.verdict.at(clock.now());
    const todo = toWrite(options, verdict, confirmed);
    if (todo === undefined) {
      health.report("condition", []);
      const left = Math.max(0, verdict.until - clock.now());
      await bell.wait(Math.min(REST_MS, left), { clock, signal });
      continue;
    }
    const wait = pace.wait();
    if (wait > 0) {
      await clock.sleep(wait, signal);
      continue; // by then it may be another
    }
    try {
      await writeOnce(options, { ...todo, pace }, signal);
      confirmed = todo;
      pace.succeeded();
    } catch (error) {
      if (signal.aborted) return;
      confirmed = undefined;
      health.report("condition", [problemOf(error)]);
      await clock.sleep(pace.failed(retryAfterMs(error)), signal);
    }
  }
}

/** A watch that lags behind our own write is no reason to ask again. */
function toWrite(
  { health, self }: ConditionOptions,
  { condition: want, nodeUid }: Verdict,
  confirmed: Confirmed | undefined,
): Confirmed | undefined {
  const seen = self();
  if (want === undefined || seen === undefined) return undefined;
  if (seen.uid !== nodeUid) return undefined; // of another Node that had its name
  if (want.status === "False" && !health.stands("key")) return undefined;
  if (sameCondition(seen.networkCondition, want)) return undefined;
  const done = confirmed !== undefined && confirmed.seen === seen &&
    sameCondition(confirmed.want, want);
  return done ? undefined : { want, seen };
}

async function writeOnce(
  { api, log, nodeName, utcNow }: ConditionOptions,
  { pace, seen, want }: Confirmed & { readonly pace: Pace },
  signal: AbortSignal,
): Promise<void> {
  pace.spend();
  const node = await api.getNode(nodeName, signal);
  if (node.uid !== seen.uid) return; // the watch will show it
  if (sameCondition(node.networkCondition, want)) return;
  pace.spend();
  const patch = conditionPatch(node, want, { now: utcNow() });
  await api.mergeNodeStatus(nodeName, patch, signal);
  const { message, reason, status } = want;
  log.info(`Set NetworkUnavailable=${status} (${reason}): ${message}`, {
    event: "condition-set",
    node: nodeName,
    reason,
  });
}
