/**
 * Speaks first where the link is new. After a reboot the other nodes still have
 * sessions that ours does not know: what they send gets no answer, and they make
 * a new handshake only 15 seconds after the first such packet (WireGuard,
 * section 6.4: KEEPALIVE_TIMEOUT + REKEY_TIMEOUT). One packet from us makes it
 * at once.
 *
 * Not for a node that is new: nobody has a session with its key, and where two
 * that come up together both began a handshake, the two could cross and cost
 * REKEY_TIMEOUT, 5 seconds.
 *
 * @module
 */

import { firstAddress } from "../core/address.ts";
import { forEachFew } from "../core/each.ts";
import { Bell } from "./bell.ts";
import type { Nodes } from "./nodes.ts";
import type { Clock, ProbePort } from "./ports.ts";
import type { Report } from "./report.ts";

/** Peers that are waited for at once: 5,000 of them are no burst. */
const AT_ONCE = 32;

/** Milliseconds for an answer; nobody asks for it, the packet is what counts. */
const ANSWER_MS = 2_000;

const REST_MS = 3_600_000;

export interface GreetOptions {
  readonly clock: Clock;
  readonly nodes: Nodes;
  readonly probe: ProbePort;
}

export class Greeter {
  readonly #options: GreetOptions;
  readonly #bell = new Bell();
  /** The link is new, and its peers are not in place yet. */
  #due = false;

  constructor(options: GreetOptions) {
    this.#options = options;
  }

  /** After each turn. */
  turned({ clean, newLink }: Report): void {
    this.#due ||= newLink;
    if (!this.#due || !clean || this.#options.nodes.peers() === undefined) {
      return;
    }
    this.#due = false;
    this.#bell.ring("new link");
  }

  /** A task. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.#bell.wait(REST_MS, { clock, signal });
      if (this.#bell.take().size > 0) await this.#greetAll(signal);
    }
  }

  async #greetAll(signal: AbortSignal): Promise<void> {
    const { nodes, probe } = this.#options;
    const peers = nodes.peers()?.values() ?? [];
    await forEachFew(peers, { atOnce: AT_ONCE, signal }, async (peer) => {
      const [prefix] = peer.allowedIps;
      if (prefix === undefined) return;
      await probe.probe(firstAddress(prefix), ANSWER_MS);
    });
  }
}
