/**
 * The agent, put together: its tasks, in the order in which they begin.
 *
 * @module
 */

import { publishCondition } from "../agent/condition.ts";
import type { Health } from "../agent/health.ts";
import { reconcileLoop } from "../agent/loop.ts";
import { publishKey } from "../agent/publish.ts";
import { checkServerVersion } from "../agent/server_version.ts";
import type { Task } from "../agent/supervise.ts";
import { systemClock as clock, utcNow } from "../sys/clock.ts";
import { type ComposeOptions, makeParts, type Parts } from "./compose_parts.ts";
import {
  countTurn,
  eventsTask,
  once,
  watchKernelTask,
  within,
} from "./compose_tasks.ts";
import { agentPages, METRICS_PATH, pagesOf, snapshotPage } from "./pages.ts";
import { serveTasks } from "./serve.ts";
import type { Setup } from "./setup.ts";

export interface Agent {
  readonly tasks: readonly Task[];
  readonly health: Health;
  /** Aborted when everything stands for the first time. */
  readonly ready: AbortSignal;
  close(): void;
}

/**
 * Milliseconds that the first turn waits for the first list of Nodes: with it
 * there is one turn instead of two, and what our Node says is known before the
 * first write. An API server that is away is not waited for.
 */
const FIRST_LIST_MS = 5_000;

export function compose(setup: Setup, options: ComposeOptions): Agent {
  const { config } = setup;
  const parts = makeParts(setup, options);
  const { bells, client, health, moments, nodes } = parts;
  const { log } = options;
  return {
    health,
    ready: moments.ready.signal,
    close: () => client.close(),
    tasks: [
      ...watchTasks(parts),
      reconcileTask(setup, options, parts),
      ...kernelTasks(setup, parts),
      keyTask(setup, options, parts),
      ...config.once ? [] : pageTasks(setup, options, parts),
      ...config.events && !config.once
        ? [
          eventsTask(setup, {
            ...{ health, log, nodes },
            api: client,
            bell: bells.events,
          }),
        ]
        : [],
      // Who only converges does not answer for what comes later.
      ...config.nodeCondition && !config.once
        ? [conditionTask(setup, options, parts)]
        : [],
    ],
  };
}

/** Of the API server and the peers. */
function watchTasks(
  { apiHealth, client, greeter, health, moments, reflector }: Parts,
): readonly Task[] {
  return [
    { name: "watch-nodes", run: (signal) => reflector.run(signal) },
    { name: "greet-peers", run: (signal) => greeter.run(signal) },
    { name: "watch-trouble", run: (signal) => apiHealth.run(signal) },
    {
      name: "check-version",
      run: (signal) =>
        checkServerVersion({
          ...{ clock, health },
          api: client,
          answers: moments.synced.promise,
        }, signal),
    },
  ];
}

function reconcileTask(
  { newKey, shim: { counters } }: Setup,
  { heartbeatMs, log, notifier }: ComposeOptions,
  parts: Parts,
): Task {
  const { bells, greeter, health, moments, nodes, overview, reconciler } =
    parts;
  const sayReady = once(() => notifier.ready());
  return {
    name: "reconcile",
    run: async (signal) => {
      await within(FIRST_LIST_MS, moments.started.promise, signal);
      await reconcileLoop({
        ...{ clock, health, heartbeatMs, log, nodes, reconciler },
        bell: bells.loop,
        afterTurn: (report, milliseconds) => {
          overview.turned({ report, milliseconds });
          countTurn(counters, report, milliseconds);
          if (!newKey) greeter.turned(report);
          const { network } = report;
          sayReady();
          bells.key.ring("turn");
          if (network === undefined) return;
          parts.verdict.report(network, clock.now());
          bells.condition.ring("turn");
        },
        alive: () => notifier.watchdog(),
      }, signal);
    },
  };
}

function kernelTasks(setup: Setup, { bells }: Parts): readonly Task[] {
  return [
    {
      name: "watch-kernel",
      run: (signal) =>
        watchKernelTask(setup, bells.loop, { watched: "network", signal }),
    },
    {
      name: "watch-nftables",
      run: (signal) =>
        watchKernelTask(setup, bells.loop, { watched: "tables", signal }),
    },
  ];
}

function keyTask(
  { config, publicKey }: Setup,
  { log }: ComposeOptions,
  { bells, client, health, nodes, reconciler }: Parts,
): Task {
  const { annotation, nodeName } = config;
  return {
    name: "publish-key",
    run: (signal) =>
      publishKey({
        ...{ annotation, clock, health, log, nodeName, publicKey },
        api: client,
        bell: bells.key,
        verified: () => reconciler.verified,
        self: () => nodes.self(),
      }, signal),
  };
}

/** Who asks on the socket may see more than who asks on the port. */
function pageTasks(
  setup: Setup,
  { log }: ComposeOptions,
  { health, historian, history, nodes, overview }: Parts,
): readonly Task[] {
  const { config, shim } = setup;
  const pages = agentPages({
    ...{ clock, config, health, historian, history, overview, shim },
  });
  const { [METRICS_PATH]: metrics } = pages;
  const wallClock = Date.now;
  return serveTasks({
    ...{ config, log, shim },
    socketPages: pagesOf({
      ...pages,
      ...snapshotPage({ ...setup, nodes, wallClock }),
    }),
    localPages: pagesOf(pages),
    publicPages: pagesOf(
      metrics === undefined ? {} : { [METRICS_PATH]: metrics },
    ),
  });
}

function conditionTask(
  { config: { nodeName } }: Setup,
  { log }: ComposeOptions,
  { bells, client, health, nodes, verdict }: Parts,
): Task {
  return {
    name: "publish-condition",
    run: (signal) =>
      publishCondition({
        ...{ clock, health, log, nodeName, utcNow, verdict },
        api: client,
        bell: bells.condition,
        self: () => nodes.self(),
      }, signal),
  };
}
