/**
 * The loop around the turns: the bell, the timer, the patience after errors,
 * and what is told to people. It feeds the watchdog: a loop that hangs is ended.
 *
 * @module
 */

import type { RemarkCode } from "../core/candidate.ts";
import { backoff } from "../core/backoff.ts";
import { FatalError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { problemOf } from "../core/problem.ts";
import type { Bell } from "./bell.ts";
import type { Health } from "./health.ts";
import type { Nodes } from "./nodes.ts";
import type { Clock } from "./ports.ts";
import type { Reconciler } from "./reconcile.ts";
import type { Report, Scope } from "./report.ts";

/** What rang: see `Bell.ring()`. */
export const RING = {
  /** A Node that we use has changed. */
  node: "node",
  /** Our own link has changed: read it all. */
  link: "link",
  /** Some address, route or setting has changed. */
  network: "network",
} as const;

/** The kernel is read in full at least this often, milliseconds, jittered by a tenth. */
export const FULL_TURN_MS = 30_000;

/** Events that come within this time, milliseconds, are one turn. */
const SETTLE_MS = 10;

/** What every Node lacks for a while after it has joined. */
const YOUNG: ReadonlySet<RemarkCode> = new Set([
  "no-key",
  "no-internal-ip",
  "no-pod-cidrs",
]);

export interface LoopOptions {
  readonly bell: Bell;
  readonly clock: Clock;
  readonly health: Health;
  readonly log: Log;
  readonly nodes: Nodes;
  readonly reconciler: Reconciler;
  /** Called after each turn, with how long it took. */
  readonly afterTurn: (report: Report, milliseconds: number) => void;
  /** Called as long as the loop goes round, at least every `heartbeatMs`: feeds the watchdog. */
  readonly alive?: () => void;
  /** Milliseconds; `undefined`: no faster than the turns. */
  readonly heartbeatMs?: number | undefined;
}

/** A task: turns until the signal is aborted. */
export async function reconcileLoop(
  options: LoopOptions,
  signal: AbortSignal,
): Promise<void> {
  const { bell, clock, health } = options;
  let attempt = 0;
  let nextFull = 0;
  options.reconciler.distrust();
  while (!signal.aborted) {
    const full = clock.now() >= nextFull;
    const began = clock.now();
    const report = await attemptTurn(options, scopeOf(bell.take(), full));
    if (report.scope === "full") nextFull = clock.now() + fullTurnMs(clock);
    logNews(options);
    health.report("kernel", report.problems);
    health.setPeers(options.nodes.peers()?.size ?? 0);
    options.afterTurn(report, clock.now() - began);
    attempt = report.clean && report.problems.length === 0 ? 0 : attempt + 1;
    const pause = attempt === 0
      ? nextFull - clock.now()
      : backoff(attempt - 1, clock.random(), {
        baseMs: 1_000,
        maxMs: FULL_TURN_MS,
      });
    if (attempt > 0) nextFull = clock.now() + pause;
    await rest(options, Math.max(0, pause), signal);
  }
}

/** Until it rings or the time is over, with a heartbeat meanwhile. */
async function rest(
  { alive, bell, clock, heartbeatMs = Infinity }: LoopOptions,
  milliseconds: number,
  signal: AbortSignal,
): Promise<void> {
  const end = clock.now() + milliseconds;
  let left = milliseconds;
  do {
    alive?.();
    await bell.wait(Math.min(left, heartbeatMs), { clock, signal });
    left = end - clock.now();
  } while (left > 0 && !bell.rung && !signal.aborted);
  await clock.sleep(SETTLE_MS, signal);
}

function scopeOf(rung: ReadonlySet<string>, full: boolean): Scope {
  if (full || rung.has(RING.link)) return "full";
  return rung.has(RING.network) ? "network" : "peers";
}

function fullTurnMs(clock: Clock): number {
  return FULL_TURN_MS * (0.9 + 0.1 * clock.random());
}

async function attemptTurn(
  options: LoopOptions,
  scope: Scope,
): Promise<Report> {
  try {
    return await options.reconciler.turn(scope);
  } catch (error) {
    if (error instanceof FatalError) throw error;
    const problems = [problemOf(error)];
    const nodeUid = options.nodes.self()?.uid;
    return {
      scope: "full",
      applied: 0,
      newLink: false,
      problems,
      clean: false,
      network: nodeUid === undefined
        ? undefined
        : { nodeUid, outages: problems },
    };
  }
}

/** Once for each thing that is amiss with a Node, not at each event. */
function logNews({ log, nodes }: LoopOptions): void {
  for (const { node, finding } of nodes.takeNews()) {
    if (finding === undefined) {
      log.info(`Node ${node} is usable now`, { event: "node-usable", node });
      continue;
    }
    const { remarks, conflicts, peer } = finding;
    const text = [...remarks, ...conflicts].map((one) => one.text).join("; ");
    // A Node that is still on its way is no cause for alarm.
    const young = conflicts.length === 0 &&
      remarks.every(({ code }) => YOUNG.has(code));
    const said = { event: "node-unusable", node, peer } as const;
    if (young) log.info(text, said);
    else log.warn(text, said);
  }
}
