/**
 * `clusternet run`: keeps the parts running until a signal ends it. The data
 * plane stays when the agent goes.
 *
 * @module
 */

import type { Health } from "../agent/health.ts";
import { supervise } from "../agent/supervise.ts";
import { type Config, helpText } from "../core/config.ts";
import { errorText } from "../core/errors.ts";
import { wantsHelp } from "../core/flags.ts";
import type { Log } from "../core/log.ts";
import { systemClock as clock } from "../sys/clock.ts";
import { LogWriter } from "../sys/log.ts";
import { Notifier, watchdogIntervalMs } from "../sys/notify.ts";
import { type Agent, compose } from "./compose.ts";
import { readConfig, setUp } from "./setup.ts";

/** Seconds in which `--once` has to get everything in place. */
const ONCE_SECONDS = 30;

/** Milliseconds that tasks have to end after a signal; then the process ends without them. */
const STOP_MS = 800;

/** @returns the exit code */
export async function run(args: readonly string[]): Promise<number> {
  if (wantsHelp(args)) {
    console.log(helpText().trimEnd());
    return 0;
  }
  const config = await readConfig(args);
  const env = Deno.env.toObject();
  const log = new LogWriter({
    format: config.logFormat,
    level: config.logLevel,
    journal: env.JOURNAL_STREAM !== undefined,
  });
  try {
    return await runWith(config, log, env);
  } finally {
    await log.flush();
  }
}

async function runWith(
  config: Config,
  log: Log,
  env: Readonly<Record<string, string>>,
): Promise<number> {
  using setup = await setUp(config, log);
  using stop = stopOnSignal(log);
  const notifier = new Notifier({
    socket: env.NOTIFY_SOCKET,
    shim: setup.shim,
    onError: (error) => log.warn(errorText(error)),
  });
  const heartbeatMs = watchdogIntervalMs(env, Deno.pid);
  const agent = compose(setup, { log, notifier, heartbeatMs });
  try {
    return config.once
      ? await runOnce(agent, config, { log, signal: stop.signal })
      : await runForGood(agent, { log, signal: stop.signal });
  } finally {
    notifier.stopping();
    agent.close();
  }
}

interface RunOptions {
  readonly log: Log;
  readonly signal: AbortSignal;
}

async function runForGood(
  agent: Agent,
  { log, signal }: RunOptions,
): Promise<number> {
  await Promise.race([
    supervise(agent.tasks, { clock, log, signal }),
    afterAbort(signal),
  ]);
  return 0;
}

/** Until everything stands as read back, or the time is over. */
async function runOnce(
  agent: Agent,
  config: Config,
  { log, signal }: RunOptions,
): Promise<number> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), ONCE_SECONDS * 1_000);
  const end = AbortSignal.any([signal, agent.ready, over.signal]);
  try {
    await Promise.race([
      supervise(agent.tasks, { clock, log, signal: end }),
      afterAbort(end),
    ]);
  } finally {
    clearTimeout(timer);
  }
  if (agent.ready.aborted) {
    console.log(`${config.interface}: ${agent.health.summary().text}`);
    return 0;
  }
  return tellMissing(agent.health);
}

function tellMissing(health: Health): number {
  for (const problem of health.problems()) {
    console.error(`clusternet: ${problem}`);
  }
  return 1;
}

/** Resolves when tasks have had their time to end after the abort. */
function afterAbort(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wait = (): void => {
      setTimeout(resolve, STOP_MS);
    };
    if (signal.aborted) wait();
    else signal.addEventListener("abort", wait, { once: true });
  });
}

interface Stop extends Disposable {
  readonly signal: AbortSignal;
}

function stopOnSignal(log: Log): Stop {
  const controller = new AbortController();
  const listeners = (["SIGTERM", "SIGINT"] as const).map((name) => {
    const listener = (): void => {
      log.info(`Stopping on ${name}; link, routes and peers stay`);
      controller.abort();
    };
    Deno.addSignalListener(name, listener);
    return { name, listener };
  });
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const { name, listener } of listeners) {
        Deno.removeSignalListener(name, listener);
      }
    },
  };
}
