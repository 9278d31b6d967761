/**
 * The agent's parts, each made once: which bell rings whom. What runs them is in
 * `compose.ts`.
 *
 * @module
 */

import { ApiHealth } from "../agent/api_health.ts";
import { Bell } from "../agent/bell.ts";
import { Greeter } from "../agent/greet.ts";
import { Health } from "../agent/health.ts";
import { Historian } from "../agent/historian.ts";
import { RING } from "../agent/loop.ts";
import { Nodes } from "../agent/nodes.ts";
import { Overview } from "../agent/overview.ts";
import { Reconciler } from "../agent/reconcile.ts";
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
import { tellPeople } from "./compose_tasks.ts";
import type { Setup } from "./setup.ts";

export interface ComposeOptions {
  readonly log: Log;
  readonly notifier: Notifier;
  readonly tracer: Tracer;
  /** Milliseconds between two signs of life; `undefined`: nobody asks for them. */
  readonly heartbeatMs: number | undefined;
}

/** One for each task that waits for something to do. */
interface Bells {
  readonly loop: Bell;
  readonly key: Bell;
  readonly condition: Bell;
  readonly events: Bell;
}

/** What happens once. */
interface Moments {
  /** The API server has said something, or cannot be reached. */
  readonly started: PromiseWithResolvers<void>;
  /** There is a complete list of Nodes. */
  readonly synced: PromiseWithResolvers<void>;
  /** Everything stands for the first time. */
  readonly ready: AbortController;
}

/** What is remembered for people. */
interface Memory {
  readonly health: Health;
  readonly history: History;
  readonly historian: Historian;
}

/** What looks at the peers. */
interface Looks {
  readonly greeter: Greeter;
  readonly overview: Overview;
}

/** What speaks with the API server. */
interface Api {
  readonly apiHealth: ApiHealth;
  readonly client: KubeClient;
  readonly reflector: Reflector;
}

export interface Parts extends Memory, Looks, Api {
  readonly bells: Bells;
  readonly moments: Moments;
  readonly nodes: Nodes;
  readonly reconciler: Reconciler;
  readonly verdict: NetworkVerdict;
}

export function makeParts(setup: Setup, options: ComposeOptions): Parts {
  const { log, tracer } = options;
  const { counters } = setup.shim;
  const bells = {
    loop: new Bell(),
    key: new Bell(),
    condition: new Bell(),
    events: new Bell(),
  };
  const moments = {
    started: Promise.withResolvers<void>(),
    synced: Promise.withResolvers<void>(),
    ready: new AbortController(),
  };
  const memory = makeMemory(options, { bells, moments });
  const { health, historian } = memory;
  const nodes = makeNodes(setup, { bells, historian, moments });
  const looks = makeLooks(setup, { health, nodes });
  const { overview } = looks;
  const api = makeApi(setup, options, { health, moments, nodes, overview });
  const reconciler = new Reconciler({
    ...{ ...setup, clock, counters, log, nodes, tracer },
  });
  const verdict = new NetworkVerdict();
  return {
    ...{ ...memory, ...looks, ...api },
    ...{ bells, moments, nodes, reconciler, verdict },
  };
}

function makeMemory(
  options: ComposeOptions,
  { bells, moments }: Pick<Parts, "bells" | "moments">,
): Memory {
  const tell = tellPeople(options, moments.ready);
  const history = new History(Date.now);
  const historian = new Historian(history);
  const health = new Health((summary) => {
    tell(summary);
    historian.health(summary);
    bells.condition.ring("health");
    bells.events.ring("health");
  });
  return { health, history, historian };
}

function makeNodes(
  { config, publicKey, shim }: Setup,
  { bells, historian, moments }: Pick<
    Parts,
    "bells" | "historian" | "moments"
  >,
): Nodes {
  const nodes: Nodes = new Nodes({
    index: new PeerIndex(config, publicKey),
    touched: (touched) => historian.touched(touched, nodes),
    ring: () => {
      bells.loop.ring(RING.node);
      moments.started.resolve();
    },
    keyChanged: () => shim.counters.add("key-changes"),
    ringSelf: () => {
      bells.key.ring("self");
      bells.condition.ring("self");
    },
  });
  return nodes;
}

function makeLooks(
  { access, config, publicKey, world }: Setup,
  { health, nodes }: Pick<Parts, "health" | "nodes">,
): Looks {
  const probe = new TcpProbe();
  const greeter = new Greeter({ clock, nodes, probe });
  const overview = new Overview({
    ...{ clock, config, health, nodes, probe, publicKey, world },
    server: access.server,
    wallClock: Date.now,
  });
  return { greeter, overview };
}

function makeApi(
  { access, config, shim: { counters } }: Setup,
  { log, tracer }: ComposeOptions,
  { health, moments, nodes, overview }: Pick<
    Parts,
    "health" | "moments" | "nodes" | "overview"
  >,
): Api {
  const apiHealth = new ApiHealth({ clock, health, utcNow });
  const client = new KubeClient(access, {
    clock,
    annotation: config.annotation,
    ownNode: config.nodeName,
    json: debugs("json"),
  });
  const reflector = new Reflector(client, nodes, {
    ...{ clock, counters, log, tracer },
    onStatus: (status) => {
      if (status.lastError !== undefined) moments.started.resolve();
      if (status.synced) moments.synced.resolve();
      apiHealth.report(status);
      overview.heard(status);
    },
  });
  return { apiHealth, client, reflector };
}
