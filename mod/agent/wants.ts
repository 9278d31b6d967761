/**
 * What is wanted now: gathers what `desired()` decides from, and keeps the little
 * of it that has a history.
 *
 * @module
 */

import type { Clock } from "../core/clock.ts";
import type { Config } from "../core/config.ts";
import { type Desired, desired } from "../core/desired.ts";
import type { PublicKey } from "../core/key.ts";
import type { NodeRecord } from "../core/node.ts";
import type { Nodes } from "./nodes.ts";
import type { World } from "./observe.ts";

export interface Wanted extends Desired {
  /** UID of our own Node; `undefined`: not known. */
  readonly nodeUid: string | undefined;
}

export interface WantsOptions {
  readonly config: Config;
  readonly publicKey: PublicKey;
  readonly world: World;
  readonly nodes: Nodes;
  readonly clock: Clock;
}

export class Wants {
  readonly #options: WantsOptions;
  /** `Clock.now()` since when our own Node has been there without podCIDRs. */
  #bareSince: number | undefined;
  #ipv6Endpoints = false;

  constructor(options: WantsOptions) {
    this.#options = options;
  }

  /** As the kernel names the kind of our link. */
  get linkKind(): string {
    return this.#options.world.wireGuard.kind === "kernel"
      ? "wireguard"
      : "tun";
  }

  /** Has there been the first IPv6 endpoint, or the last one, since they were read? */
  get otherFamily(): boolean {
    return this.#options.nodes.ipv6Endpoints() !== this.#ipv6Endpoints;
  }

  async read(): Promise<Wanted> {
    const { config, nodes, publicKey, world } = this.#options;
    const self = nodes.self();
    const result = desired({
      config,
      publicKey,
      self,
      listed: nodes.listed,
      bareMs: this.#bareMs(self),
      peers: nodes.peers(),
      ipv6Endpoints: nodes.ipv6Endpoints(),
      host: await world.routes.hostFacts(config.interface),
      linkKind: this.linkKind,
    });
    this.#ipv6Endpoints = nodes.ipv6Endpoints();
    return { ...result, nodeUid: self?.uid };
  }

  #bareMs(self: NodeRecord | undefined): number {
    const now = this.#options.clock.now();
    this.#bareSince = self?.podCidrs.length === 0
      ? this.#bareSince ?? now
      : undefined;
    return now - (this.#bareSince ?? now);
  }
}
