/**
 * Gathers what people ask the agent for. It reads the kernel when it is asked,
 * and at no other time; what it was told by the parts is kept as it came.
 *
 * @module
 */

import { type Address, firstAddress } from "../core/address.ts";
import { utcText } from "../core/clock.ts";
import type { Config } from "../core/config.ts";
import { forEachFew } from "../core/each.ts";
import type { PublicKey } from "../core/key.ts";
import type { Finding } from "../core/peer_index.ts";
import {
  HANDSHAKE_MS,
  hasSession,
  peerState,
  type Probe,
  probePatience,
} from "../core/peer_state.ts";
import { textsOf } from "../core/problem.ts";
import {
  type FindingStatus,
  type LinkStatus,
  type PeerStatus,
  type Status,
  STATUS_SCHEMA,
  type TurnStatus,
} from "../core/status.ts";
import { NO_TRAFFIC, type PeerTraffic } from "../core/traffic.ts";
import { VERSION } from "../core/version.ts";
import type { ApiStatus } from "./api_health.ts";
import type { Health } from "./health.ts";
import type { Nodes } from "./nodes.ts";
import type { World } from "./observe.ts";
import type { Clock, ProbePort } from "./ports.ts";
import type { Report } from "./report.ts";

/** Probes that are under way at once: peers that do not answer hold up few others. */
const PROBES_AT_ONCE = 512;

export interface OverviewOptions {
  readonly clock: Clock;
  readonly config: Config;
  readonly health: Health;
  readonly nodes: Nodes;
  readonly probe: ProbePort;
  readonly publicKey: PublicKey;
  readonly server: string;
  readonly world: Pick<World, "wireGuard" | "routes">;
  /** Milliseconds since 1970. */
  wallClock(): number;
}

/**
 * Who is probed: all; those without a session; or all as if nothing were known of
 * them, so that WireGuard has time to speak to each.
 */
export type Whom = "all" | "silent" | "anew";

export interface Turn {
  readonly report: Report;
  /** Milliseconds. */
  readonly milliseconds: number;
}

export class Overview {
  readonly #options: OverviewOptions;
  readonly #startedMs: number;
  readonly #probes = new Map<PublicKey, Probe>();
  readonly #probing = new Map<Whom, Promise<void>>();
  #turn: (Turn & { readonly at: number }) | undefined;
  #verifiedAt: number | undefined;
  #api: ApiStatus & { readonly lastEventAt?: number | undefined } = {
    synced: false,
    lastError: undefined,
  };

  constructor(options: OverviewOptions) {
    this.#options = options;
    this.#startedMs = options.wallClock();
  }

  turned(turn: Turn): void {
    const at = this.#options.clock.now();
    this.#turn = { ...turn, at };
    if (turn.report.scope === "full") this.#verifiedAt = at;
  }

  heard(
    status: ApiStatus & { readonly lastEventAt?: number | undefined },
  ): void {
    this.#api = status;
  }

  /** `Clock.now()` of the last turn's end. */
  get turnedAt(): number | undefined {
    return this.#turn?.at;
  }

  /** `Clock.now()` of the end of the last turn that read all of the kernel. */
  get verifiedAt(): number | undefined {
    return this.#verifiedAt;
  }

  /** @throws {KernelError} where the kernel cannot be asked */
  async status(): Promise<Status> {
    const { config, health, nodes, publicKey, server } = this.#options;
    const nowMs = this.#options.wallClock();
    const self = nodes.self();
    const link = await this.#link();
    const { lastEventAt, synced, lastError } = this.#api;
    return {
      schema: STATUS_SCHEMA,
      version: VERSION,
      time: utcText(nowMs),
      startedAt: utcText(this.#startedMs),
      health: { ...health.summary(), problems: health.sentences() },
      node: {
        name: config.nodeName,
        uid: self?.uid ?? null,
        internalIps: self?.internalIps ?? [],
        podCidrs: self?.podCidrs ?? [],
      },
      key: {
        publicKey,
        published: self?.publicKey ?? null,
        annotation: config.annotation,
      },
      link,
      clusterCidrs: config.clusterCidrs,
      api: {
        server,
        synced,
        silentSeconds: this.#seconds(lastEventAt),
        error: lastError?.text ?? null,
        nodes: nodes.count,
      },
      turn: this.#turnStatus(nowMs),
      peers: link === null ? [] : await this.#peers(nowMs),
      findings: [...nodes.findings].map(findingStatus)
        .sort((a, b) => byName(a.node, b.node)),
    };
  }

  /**
   * One packet to every peer's link address; the next `status()` says what came
   * of it. Within six seconds, whoever answers or not, and within three where
   * all had sessions; however many ask at the same time, it is done once.
   */
  probeAll(whom: Whom = "all"): Promise<void> {
    const under = this.#probing.get(whom);
    if (under !== undefined) return under;
    const work = this.#probeAll(whom)
      .finally(() => this.#probing.delete(whom));
    this.#probing.set(whom, work);
    return work;
  }

  async #probeAll(whom: Whom): Promise<void> {
    const { clock, config, nodes, world } = this.#options;
    const traffic = await world.wireGuard.traffic(config.interface);
    const nowMs = this.#options.wallClock();
    const peers = [...nodes.peers() ?? []].filter(([key]) =>
      whom !== "silent" || !hasSession(traffic.get(key)?.lastHandshakeMs, nowMs)
    );
    // All together: somebody waits for the answer.
    const end = clock.now() + HANDSHAKE_MS;
    // It ends by itself, and is not one asker's to end.
    const { signal } = new AbortController();
    await forEachFew(
      peers,
      { atOnce: PROBES_AT_ONCE, signal },
      async ([key, { allowedIps: [prefix] }]) => {
        const leftMs = end - clock.now();
        if (prefix === undefined || leftMs <= 0) return;
        const last = whom === "anew" ? undefined : this.#probes.get(key);
        const to = { address: firstAddress(prefix), leftMs, last };
        await this.#probe(key, to, traffic.get(key));
      },
    );
    for (const key of this.#probes.keys()) {
      if (!nodes.peers()?.has(key)) this.#probes.delete(key);
    }
  }

  async #probe(
    key: PublicKey,
    to: {
      readonly address: Address;
      readonly leftMs: number;
      readonly last: Probe | undefined;
    },
    traffic: PeerTraffic = NO_TRAFFIC,
  ): Promise<void> {
    const { probe, wallClock } = this.#options;
    const atMs = wallClock();
    const session = hasSession(traffic.lastHandshakeMs, atMs);
    const patienceMs = probePatience(traffic, { nowMs: atMs, probe: to.last });
    const timeoutMs = Math.min(to.leftMs, patienceMs);
    const result = await probe.probe(to.address, timeoutMs);
    this.#probes.set(key, { ...result, atMs, session });
  }

  async #link(): Promise<LinkStatus | null> {
    const { config, world } = this.#options;
    const name = config.interface;
    const link = await world.routes.link(name);
    if (link === null) return null;
    return {
      name,
      backend: world.wireGuard.kind,
      up: link.up,
      mtu: link.mtu ?? null,
      listenPort: config.listenPort,
      addresses: await world.routes.addresses(name),
    };
  }

  async #peers(nowMs: number): Promise<readonly PeerStatus[]> {
    const { config, nodes, world } = this.#options;
    const traffic = await world.wireGuard.traffic(config.interface);
    const wanted = nodes.peers();
    const all: PeerStatus[] = [];
    for (const [key, counted] of traffic) {
      const probe = this.#probes.get(key);
      const allowedIps = wanted?.get(key)?.allowedIps ?? [];
      const [first] = allowedIps;
      const { lastHandshakeMs } = counted;
      all.push({
        node: nodes.nodeOf(key) ?? null,
        publicKey: key,
        endpoint: counted.endpoint ?? null,
        podCidrs: allowedIps,
        linkAddress: first === undefined ? null : firstAddress(first),
        handshakeSeconds: lastHandshakeMs === undefined
          ? null
          : secondsBetween(lastHandshakeMs, nowMs),
        receivedBytes: counted.receivedBytes,
        sentBytes: counted.sentBytes,
        state: peerState(counted, { nowMs, probe }),
        probe: probe === undefined ? null : {
          agoSeconds: secondsBetween(probe.atMs, nowMs),
          answered: probe.answered,
          roundTripMs: probe.roundTripMs ?? null,
          failure: probe.failure,
        },
      });
    }
    return all.sort((a, b) => byName(a.node ?? "", b.node ?? ""));
  }

  #turnStatus(nowMs: number): TurnStatus | null {
    if (this.#turn === undefined) return null;
    const { report, milliseconds } = this.#turn;
    const agoSeconds = this.#seconds(this.#turn.at) ?? 0;
    return {
      at: utcText(nowMs - agoSeconds * 1_000),
      agoSeconds,
      milliseconds,
      scope: report.scope,
      applied: report.applied,
      problems: textsOf(report.problems),
    };
  }

  /** Since a `Clock.now()`. */
  #seconds(since: number | undefined): number | null {
    if (since === undefined) return null;
    return secondsBetween(since, this.#options.clock.now());
  }
}

function findingStatus(
  [node, { peer, remarks, conflicts }]: readonly [string, Finding],
): FindingStatus {
  return {
    node,
    peer,
    reasons: [
      ...remarks.map(({ code, text }) => ({ code, text })),
      ...conflicts.map(({ text }) => ({ code: "conflict" as const, text })),
    ],
  };
}

/** Tenths of a second are as good as it gets; never less than none. */
function secondsBetween(fromMs: number, toMs: number): number {
  return Math.max(0, Math.round((toMs - fromMs) / 100) / 10);
}

function byName(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
