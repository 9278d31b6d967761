/**
 * Tasks under one supervisor: each runs until the agent stops; one that ends or
 * throws is started again after a pause that grows. Only a FatalError ends all.
 *
 * @module
 */

import { backoff } from "../core/backoff.ts";
import { errorText, FatalError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Clock } from "./ports.ts";

export interface Task {
  readonly name: string;
  /** Runs until the signal is aborted; may throw at any time. */
  run(signal: AbortSignal): Promise<void>;
}

export interface SuperviseOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** A task that has run this long (milliseconds) starts over with the shortest pause. */
const GOOD_RUN_MS = 60_000;

/**
 * Resolves when the signal is aborted and every task has ended.
 *
 * @throws {FatalError} the first one that a task threw, after the others have ended
 */
export async function supervise(
  tasks: readonly Task[],
  options: SuperviseOptions,
): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  let fatal: FatalError | undefined;
  await Promise.all(tasks.map(async (task) => {
    try {
      await keepRunning(task, { ...options, signal });
    } catch (error) {
      if (!(error instanceof FatalError)) throw error;
      fatal ??= error;
      stop.abort();
    }
  }));
  if (fatal !== undefined) throw fatal;
}

async function keepRunning(
  task: Task,
  options: SuperviseOptions,
): Promise<void> {
  const { clock, log, signal } = options;
  for (let attempt = 0; !signal.aborted; attempt++) {
    const started = clock.now();
    let reason = "ended";
    try {
      await task.run(signal);
    } catch (error) {
      if (error instanceof FatalError) throw error;
      reason = errorText(error);
    }
    if (signal.aborted) return;
    if (clock.now() - started >= GOOD_RUN_MS) attempt = 0;
    const pause = backoff(attempt, clock.random(), {
      baseMs: 1_000,
      maxMs: 30_000,
    });
    log.warn(`Task ${task.name} stopped and will be started again: ${reason}`, {
      event: "task-restarted",
      task: task.name,
      pause_seconds: Math.round(pause / 100) / 10,
    });
    await clock.sleep(pause, signal);
  }
}
