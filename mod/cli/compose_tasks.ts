/**
 * What the composed parts are joined by: the tasks that only pass on, and who
 * tells people.
 *
 * @module
 */

import type { Bell } from "../agent/bell.ts";
import type { Health, Summary } from "../agent/health.ts";
import { ringFor } from "../agent/kernel_rings.ts";
import { RING } from "../agent/loop.ts";
import type { Nodes } from "../agent/nodes.ts";
import { NodeTroubles } from "../agent/node_troubles.ts";
import type { Report } from "../agent/report.ts";
import type { Task } from "../agent/supervise.ts";
import { tellEvents } from "../agent/tell_events.ts";
import type { Counters } from "../core/counters.ts";
import type { Log } from "../core/log.ts";
import { systemClock as clock } from "../sys/clock.ts";
import { type Watched, watchKernel } from "../sys/events.ts";
import type { KubeClient } from "../sys/kube_client.ts";
import type { Notifier } from "../sys/notify.ts";
import type { Setup } from "./setup.ts";

export function eventsTask(
  { config, world: { wireGuard } }: Setup,
  parts: {
    readonly api: KubeClient;
    readonly bell: Bell;
    readonly health: Health;
    readonly log: Log;
    readonly nodes: Nodes;
  },
): Task {
  const { health, nodes, ...rest } = parts;
  const wallClock = Date.now;
  const options = { clock, config, health, nodes, wallClock, wireGuard };
  const troubles = new NodeTroubles(options);
  return {
    name: "tell-events",
    run: (signal) =>
      tellEvents({
        ...rest,
        clock,
        wallClock,
        self: () => nodes.self(),
        troubles: () => troubles.all(),
      }, signal),
  };
}

export function countTurn(
  counters: Counters,
  { clean, problems, scope }: Report,
  milliseconds: number,
): void {
  counters.add("turns", scope);
  counters.turnTook(milliseconds / 1_000);
  if (!clean || problems.length > 0) counters.add("failed-turns");
}

export async function watchKernelTask(
  { config, shim }: Setup,
  bell: Bell,
  { watched, signal }: {
    readonly watched: Watched;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const concern = { link: config.interface, clusterCidrs: config.clusterCidrs };
  // What happened while nobody watched is found by a look at everything; a
  // table is read whenever addresses and routes are.
  const everything = watched === "tables" ? RING.network : RING.link;
  await watchKernel(shim, {
    watched,
    signal,
    ready: () => bell.ring(everything),
    ring: (news) => {
      const why = news.kind === "lost" ? everything : ringFor(news, concern);
      if (why !== undefined) bell.ring(why);
    },
  });
}

/**
 * systemd hears READY after the first turn, whatever it has found: by then
 * nothing for pods leaves in clear, and what is to start after the agent may be
 * what it waits for: the kubelet that registers the Node, or that runs the API
 * server. STATUS says the rest, and the CNI configuration keeps pods waiting.
 */
export function once(deed: () => void): () => void {
  let done = false;
  return () => {
    if (!done) deed();
    done = true;
  };
}

/** systemd and the log hear of every change of the summary, but not of every peer. */
export function tellPeople(
  { log, notifier }: { readonly log: Log; readonly notifier: Notifier },
  ready: AbortController,
): (summary: Summary) => void {
  let said = "";
  return (summary) => {
    notifier.status(summary.text);
    if (summary.ready) ready.abort();
    const text = summary.ready ? "Ready" : summary.text;
    if (text === said || summary.starting) return;
    said = text;
    if (summary.ready) log.info(`Ready: ${summary.text}`, { event: "ready" });
    else log.warn(summary.text, { event: "degraded" });
  };
}

export async function within(
  milliseconds: number,
  promise: Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  await Promise.race([promise, clock.sleep(milliseconds, either)]);
  over.abort();
}
