/**
 * All that is wrong with this node's network and that a person has to see to,
 * gathered for its Events.
 *
 * @module
 */

import type { RemarkCode } from "../core/candidate.ts";
import type { Config } from "../core/config.ts";
import { namesText } from "../core/names_text.ts";
import type { ProblemReason } from "../core/problem.ts";
import { SilentPeers } from "../core/silent_peers.ts";
import type { Trouble } from "../core/troubles.ts";
import type { Health } from "./health.ts";
import type { Nodes } from "./nodes.ts";
import type { Clock, WireGuardPort } from "./ports.ts";

/** Claims of others to what is this node's own. */
const TOUCHES_US: ReadonlyMap<RemarkCode, string> = new Map([
  ["own-key", "DuplicateKey"],
  ["own-pod-cidr", "DuplicatePodCIDR"],
]);

/** Names in a sentence; the others are counted. */
const NAMED = 5;

/** Then there is no way to write an Event either. */
const CUT_OFF: ReadonlySet<ProblemReason> = new Set([
  "APIServerUnreachable",
  "APIUnauthorized",
]);

/** Milliseconds between two looks at the traffic, and where there are many peers. */
export const TRAFFIC_MS = 60_000;
const MANY_TRAFFIC_MS = 300_000;
const MANY = 1_000;

export interface NodeTroublesOptions {
  readonly clock: Clock;
  readonly config: Pick<Config, "interface" | "listenPort">;
  readonly health: Health;
  readonly nodes: Pick<Nodes, "findings" | "nodeOf">;
  readonly wireGuard: Pick<WireGuardPort, "traffic">;
  /** Milliseconds since 1970. */
  wallClock(): number;
}

export class NodeTroubles {
  readonly #options: NodeTroublesOptions;
  readonly #silent = new SilentPeers();
  #down: readonly string[] = [];
  #nextLook = 0;

  constructor(options: NodeTroublesOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async all(): Promise<readonly Trouble[]> {
    await this.#lookAtTraffic();
    const { health } = this.#options;
    return [
      ...health.found().filter(({ reason }) => !CUT_OFF.has(reason))
        .map(({ reason, text: note }) => ({ reason, note })),
      ...this.#claims(),
      ...this.#peersDown(),
    ];
  }

  *#claims(): Generator<Trouble> {
    for (const { remarks } of this.#options.nodes.findings.values()) {
      for (const { code, text } of remarks) {
        const reason = TOUCHES_US.get(code);
        if (reason !== undefined) yield { reason, note: text };
      }
    }
  }

  *#peersDown(): Generator<Trouble> {
    if (this.#down.length === 0) return;
    const names = namesText(this.#down, NAMED);
    yield {
      reason: "PeersDown",
      note:
        `Pods here get no answer from the Nodes ${names}: do their agents ` +
        `run, and is UDP ${this.#options.config.listenPort} open both ways? ` +
        "`clusternet doctor` on this node says more",
    };
  }

  async #lookAtTraffic(): Promise<void> {
    const { clock, config, nodes, wallClock, wireGuard } = this.#options;
    if (clock.now() < this.#nextLook) return;
    this.#nextLook = clock.now() + TRAFFIC_MS;
    try {
      const traffic = await wireGuard.traffic(config.interface);
      if (traffic.size > MANY) this.#nextLook = clock.now() + MANY_TRAFFIC_MS;
      this.#down = this.#silent.look(traffic, wallClock())
        .map((key) => nodes.nodeOf(key) ?? key).sort();
    } catch {
      // The turn says what is wrong with the link.
    }
  }
}
