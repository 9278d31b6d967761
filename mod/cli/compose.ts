/**
 * The agent's parts, put together: which bell rings whom, and who tells people.
 *
 * @module
 */

import { ApiHealth } from "../agent/api_health.ts";
import { Bell } from "../agent/bell.ts";
import { publishCondition } from "../agent/condition.ts";
import { Greeter } from "../agent/greet.ts";
import { Health } from "../agent/health.ts";
import { reconcileLoop, RING } from "../agent/loop.ts";
import { Historian } from "../agent/historian.ts";
import { Nodes } from "../agent/nodes.ts";
import { Overview } from "../agent/overview.ts";
import { publishKey } from "../agent/publish.ts";
import { Reconciler } from "../agent/reconcile.ts";
import { checkServerVersion } from "../agent/server_version.ts";
import type { Task } from "../agent/supervise.ts";
import { History } from "../core/history.ts";
import type { Log } from "../core/log.ts";
import { NetworkVerdict } from "../core/network_verdict.ts";
import { PeerIndex } from "../core/peer_index.ts";
import type { Tracer } from "../core/trace.ts";
import { systemClock as clock, utcNow } from "../sys/clock.ts";
import { debugs } from "../sys/debug.ts";
import { KubeClient } from "../sys/kube_client.ts";
import type { Notifier } from "../sys/notify.ts";
import { TcpProbe } from "../sys/probe.ts";
import { Reflector } from "../sys/reflector.ts";
import {
  countTurn,
  eventsTask,
  once,
  tellPeople,
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

export interface ComposeOptions {
  readonly log: Log;
  readonly notifier: Notifier;
  readonly tracer: Tracer;
  /** Milliseconds between two signs of life; `undefined`: nobody asks for them. */
  readonly heartbeatMs: number | undefined;
}

/**
 * Milliseconds that the first turn waits for the first list of Nodes: with it
 * there is one turn instead of two, and what our Node says is known before the
 * first write. An API server that is away is not waited for.
 */
const FIRST_LIST_MS = 5_000;

export function compose(setup: Setup, options: ComposeOptions): Agent {
  const { access, config, publicKey } = setup;
  const { log, tracer } = options;
  const loopBell = new Bell();
  const keyBell = new Bell();
  const conditionBell = new Bell();
  const eventsBell = new Bell();
  const verdict = new NetworkVerdict();
  const started = Promise.withResolvers<void>();
  const synced = Promise.withResolvers<void>();
  const ready = new AbortController();
  const sayReady = once(() => options.notifier.ready());
  const tell = tellPeople(options, ready);
  const history = new History(Date.now);
  const historian = new Historian(history);
  const health = new Health((summary) => {
    tell(summary);
    historian.health(summary);
    conditionBell.ring("health");
    eventsBell.ring("health");
  });
  const nodes: Nodes = new Nodes({
    index: new PeerIndex(config, publicKey),
    touched: (touched) => historian.touched(touched, nodes),
    ring: () => {
      loopBell.ring(RING.node);
      started.resolve();
    },
    keyChanged: () => setup.shim.counters.add("key-changes"),
    ringSelf: () => {
      keyBell.ring("self");
      conditionBell.ring("self");
    },
  });
  const probe = new TcpProbe();
  const greeter = new Greeter({ clock, nodes, probe });
  const overview = new Overview({
    clock,
    config,
    health,
    nodes,
    probe,
    publicKey,
    server: access.server,
    wallClock: Date.now,
    world: setup.world,
  });
  const apiHealth = new ApiHealth({ clock, health, utcNow });
  const client = new KubeClient(access, {
    clock,
    annotation: config.annotation,
    ownNode: config.nodeName,
    json: debugs("json"),
  });
  const reflector = new Reflector(client, nodes, {
    clock,
    counters: setup.shim.counters,
    log,
    tracer,
    onStatus: (status) => {
      if (status.lastError !== undefined) started.resolve();
      if (status.synced) synced.resolve();
      apiHealth.report(status);
      overview.heard(status);
    },
  });
  const { counters } = setup.shim;
  const pages = agentPages({
    clock,
    config,
    health,
    historian,
    history,
    overview,
    shim: setup.shim,
  });
  const { [METRICS_PATH]: metrics } = pages;
  const reconciler = new Reconciler({
    ...setup,
    counters,
    nodes,
    log,
    clock,
    tracer,
  });
  return {
    health,
    ready: ready.signal,
    close: () => client.close(),
    tasks: [
      { name: "watch-nodes", run: (signal) => reflector.run(signal) },
      { name: "greet-peers", run: (signal) => greeter.run(signal) },
      { name: "watch-trouble", run: (signal) => apiHealth.run(signal) },
      {
        name: "check-version",
        run: (signal) =>
          checkServerVersion({
            api: client,
            clock,
            health,
            answers: synced.promise,
          }, signal),
      },
      {
        name: "reconcile",
        run: async (signal) => {
          await within(FIRST_LIST_MS, started.promise, signal);
          await reconcileLoop({
            bell: loopBell,
            clock,
            health,
            log,
            nodes,
            reconciler,
            afterTurn: (report, milliseconds) => {
              overview.turned({ report, milliseconds });
              countTurn(counters, report, milliseconds);
              if (!setup.newKey) greeter.turned(report);
              const { network } = report;
              sayReady();
              keyBell.ring("turn");
              if (network === undefined) return;
              verdict.report(network, clock.now());
              conditionBell.ring("turn");
            },
            alive: () => options.notifier.watchdog(),
            heartbeatMs: options.heartbeatMs,
          }, signal);
        },
      },
      {
        name: "watch-kernel",
        run: (signal) =>
          watchKernelTask(setup, loopBell, { watched: "network", signal }),
      },
      {
        name: "watch-nftables",
        run: (signal) =>
          watchKernelTask(setup, loopBell, { watched: "tables", signal }),
      },
      {
        name: "publish-key",
        run: (signal) =>
          publishKey({
            api: client,
            bell: keyBell,
            clock,
            health,
            log,
            nodeName: config.nodeName,
            annotation: config.annotation,
            publicKey,
            verified: () => reconciler.verified,
            self: () => nodes.self(),
          }, signal),
      },
      ...config.once ? [] : serveTasks({
        config,
        log,
        shim: setup.shim,
        socketPages: pagesOf({
          ...pages,
          ...snapshotPage({ ...setup, nodes, wallClock: Date.now }),
        }),
        localPages: pagesOf(pages),
        publicPages: pagesOf(
          metrics === undefined ? {} : { [METRICS_PATH]: metrics },
        ),
      }),
      ...config.events && !config.once
        ? [
          eventsTask(setup, {
            api: client,
            bell: eventsBell,
            health,
            log,
            nodes,
          }),
        ]
        : [],
      // Who only converges does not answer for what comes later.
      ...config.nodeCondition && !config.once
        ? [{
          name: "publish-condition",
          run: (signal: AbortSignal): Promise<void> =>
            publishCondition({
              api: client,
              bell: conditionBell,
              clock,
              health,
              log,
              nodeName: config.nodeName,
              verdict,
              self: () => nodes.self(),
              utcNow,
            }, signal),
        }]
        : [],
    ],
  };
}
