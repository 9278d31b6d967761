/**
 * Peers to which something was sent and from which nothing came back, told from
 * what WireGuard counts anyway: no packet is sent to find out, so a peer that
 * nobody speaks to is not one of them.
 *
 * @module
 */

import type { PublicKey } from "./key.ts";
import { hasSession } from "./peer_state.ts";
import type { PeerTraffic } from "./traffic.ts";

/** Looks in a row in which a peer was spoken to without an answer: then it is silent. */
const LOOKS = 2;

interface Unanswered {
  sentBytes: number;
  looks: number;
}

export class SilentPeers {
  /** None with a session is in it, so a mesh that is well holds nothing. */
  readonly #unanswered = new Map<PublicKey, Unanswered>();

  /**
   * @param nowMs milliseconds since 1970
   * @returns those that are silent; they are so until a handshake, or until they are peers no more
   */
  look(
    traffic: ReadonlyMap<PublicKey, PeerTraffic>,
    nowMs: number,
  ): readonly PublicKey[] {
    for (const key of this.#unanswered.keys()) {
      if (!traffic.has(key)) this.#unanswered.delete(key);
    }
    const silent: PublicKey[] = [];
    for (const [key, { lastHandshakeMs, sentBytes }] of traffic) {
      if (sentBytes === 0 || hasSession(lastHandshakeMs, nowMs)) {
        this.#unanswered.delete(key);
        continue;
      }
      const before = this.#unanswered.get(key);
      if (before === undefined) {
        this.#unanswered.set(key, { sentBytes, looks: 0 });
        continue;
      }
      if (sentBytes > before.sentBytes) before.looks++;
      else if (before.looks < LOOKS) before.looks = 0;
      before.sentBytes = sentBytes;
      if (before.looks >= LOOKS) silent.push(key);
    }
    return silent;
  }
}
