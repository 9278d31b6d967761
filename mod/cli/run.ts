/**
 * `clusternet run`: keeps the parts running until a signal ends it. The data
 * plane stays when the agent goes. SIGHUP makes it begin anew within the same
 * process: configuration, credentials, the list of Nodes and the kernel are all
 * read again, which costs no packet. What cannot be used changes nothing.
 *
 * @module
 */

import type { Health } from "../agent/health.ts";
import { supervise } from "../agent/supervise.ts";
import { type Config, helpText } from "../core/config.ts";
import { Counters } from "../core/counters.ts";
import { errorText, FatalError } from "../core/errors.ts";
import { wantsHelp } from "../core/flags.ts";
import type { Log } from "../core/log.ts";
import { type Tracer, UNTRACED } from "../core/trace.ts";
import { VERSION } from "../core/version.ts";
import { systemClock as clock } from "../sys/clock.ts";
import { openKubeAccess } from "../sys/kube_auth.ts";
import { LogWriter } from "../sys/log.ts";
import { loadShim } from "../sys/shim.ts";
import { Notifier, watchdogIntervalMs } from "../sys/notify.ts";
import { type Agent, compose } from "./compose.ts";
import { readConfig, setUp } from "./setup.ts";
import { Hangups, stopOnSignal } from "./signals.ts";

/** Seconds in which `--once` has to get everything in place. */
const ONCE_SECONDS = 30;

/** Milliseconds that tasks have to end after a signal; then the process ends without them. */
const STOP_MS = 800;

/** Deno puts it there where it traces: see `mod/sys/tracing.ts`. */
const OTEL_API = Symbol.for("opentelemetry.js.api.1");

/** Milliseconds that they have before the agent begins anew. */
const RELOAD_MS = 10_000;

/** @returns the exit code */
export async function run(args: readonly string[]): Promise<number> {
  if (wantsHelp(args)) {
    console.log(helpText().trimEnd());
    return 0;
  }
  using hangups = new Hangups({ terminal: Deno.stdin.isTerminal() });
  try {
    const counters = new Counters();
    let next: Config | number = await readConfig(args);
    while (typeof next !== "number") {
      next = await runLogged(next, { args, counters, hangups });
    }
    return next;
  } catch (error) {
    if (error instanceof FatalError) await leaveStatus(error);
    throw error;
  }
}

/** `systemctl status` shows it until the next start, whatever the journal has. */
async function leaveStatus({ message }: FatalError): Promise<void> {
  const { NOTIFY_SOCKET: socket } = Deno.env.toObject();
  if (socket === undefined) return;
  try {
    new Notifier({ socket, shim: await loadShim() }).status(message);
  } catch {
    // Standard error has the sentence.
  }
}

/** @returns the exit code, or what to begin anew with */
async function runLogged(
  config: Config,
  options: Pick<RunOptions, "args" | "counters" | "hangups">,
): Promise<Config | number> {
  const env = Deno.env.toObject();
  const log = new LogWriter({
    format: config.logFormat,
    level: config.logLevel,
    counters: options.counters,
    journal: env.JOURNAL_STREAM !== undefined,
  });
  try {
    return await runWith(config, { ...options, env, log });
  } catch (error) {
    if (error instanceof FatalError) {
      const { tellFatal } = await import("./tell_fatal.ts");
      await tellFatal(config, error);
    }
    throw error;
  } finally {
    await log.flush();
  }
}

interface RunOptions {
  readonly args: readonly string[];
  readonly counters: Counters;
  readonly env: Readonly<Record<string, string>>;
  readonly hangups: Hangups;
  readonly log: Log;
}

async function runWith(
  config: Config,
  options: RunOptions,
): Promise<Config | number> {
  const { env, log } = options;
  using setup = await setUp(config, log);
  setup.shim.countIn(options.counters);
  using stop = stopOnSignal((name) =>
    log.info(`Stopping on ${name}; link, routes and peers stay`, {
      event: "stopping",
    })
  );
  const notifier = new Notifier({
    socket: env.NOTIFY_SOCKET,
    shim: setup.shim,
    onError: (error) => log.warn(errorText(error), { event: "notify-failed" }),
  });
  const heartbeatMs = watchdogIntervalMs(env, Deno.pid);
  const tracer = await tracerFor(config);
  const agent = compose(setup, { log, notifier, tracer, heartbeatMs });
  const { signal } = stop;
  let next: Config | number = 0;
  try {
    next = config.once
      ? await runOnce(agent, config, { log, signal })
      : await runForGood(agent, { ...options, notifier, signal });
    return next;
  } finally {
    if (typeof next === "number") notifier.stopping();
    agent.close();
  }
}

/** Nothing of tracing is loaded where Deno does not trace (`OTEL_DENO`). */
async function tracerFor({ nodeName }: Config): Promise<Tracer> {
  if (!(OTEL_API in globalThis)) return UNTRACED;
  const { openTracer } = await import("../sys/tracing.ts");
  const place = { "k8s.node.name": nodeName };
  return openTracer({ place, version: VERSION }) ?? UNTRACED;
}

async function runForGood(
  agent: Agent,
  options: RunOptions & {
    readonly notifier: Notifier;
    readonly signal: AbortSignal;
  },
): Promise<Config | number> {
  const { log, signal } = options;
  const anew = new AbortController();
  const end = AbortSignal.any([signal, anew.signal]);
  const running = supervise(agent.tasks, { clock, log, signal: end })
    .then(() => "ended" as const);
  const next = await Promise.race([
    running,
    afterAbort(signal, STOP_MS),
    hear(options, end),
  ]);
  if (typeof next !== "object" || signal.aborted) return 0;
  anew.abort();
  const over = await Promise.race([running, afterAbort(end, RELOAD_MS)]);
  if (over === "ended") return next;
  throw new FatalError(
    "Cannot begin anew: what runs does not end; start the agent again",
    1,
  );
}

/** The configuration to begin anew with, once it is asked for and can be used. */
async function hear(
  { args, hangups, log, notifier }: RunOptions & {
    readonly notifier: Notifier;
  },
  signal: AbortSignal,
): Promise<Config | undefined> {
  while (true) {
    await hangups.next();
    if (signal.aborted) return undefined;
    notifier.reloading();
    try {
      const config = await readConfig(args);
      const { kubeconfig, server } = config;
      await openKubeAccess({ kubeconfig, server, clock });
      log.info("Reading configuration, credentials, Nodes and kernel again", {
        event: "reload",
      });
      return config;
    } catch (error) {
      if (!(error instanceof FatalError)) throw error;
      log.error(`${error.message} (all goes on as before)`, {
        event: "reload-refused",
      });
      notifier.ready();
    }
  }
}

/** Until everything stands as read back, or the time is over. */
async function runOnce(
  agent: Agent,
  config: Config,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<number> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), ONCE_SECONDS * 1_000);
  const end = AbortSignal.any([signal, agent.ready, over.signal]);
  try {
    await Promise.race([
      supervise(agent.tasks, { clock, log, signal: end }),
      afterAbort(end, STOP_MS),
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
  for (const problem of health.sentences()) {
    console.error(`clusternet: ${problem}`);
  }
  return 1;
}

/** Resolves when tasks have had their time to end after the abort. */
function afterAbort(
  signal: AbortSignal,
  milliseconds: number,
): Promise<void> {
  return new Promise((resolve) => {
    const wait = (): void => {
      setTimeout(resolve, milliseconds);
    };
    if (signal.aborted) wait();
    else signal.addEventListener("abort", wait, { once: true });
  });
}
