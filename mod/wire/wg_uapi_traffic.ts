/**
 * The counters in a userspace WireGuard's answer to a GET (wireguard.com/xplatform),
 * read for people instead of for a plan.
 *
 * @module
 */

import { type PublicKey, publicKeyFromBytes } from "../core/key.ts";
import { NO_TRAFFIC, type PeerTraffic } from "../core/traffic.ts";
import { answerLines, canonicalEndpoint, keyBytes } from "./wg_uapi.ts";

/**
 * By peer.
 *
 * @throws {SyntaxError} when it is cut short or a key, number or line is malformed
 */
export function parseTraffic(
  text: string,
): ReadonlyMap<PublicKey, PeerTraffic> {
  const all = new Map<PublicKey, PeerTraffic>();
  let peer: PublicKey | undefined;
  let seconds = 0;
  for (const [key, value] of answerLines(text)) {
    if (key === "public_key") {
      peer = publicKeyFromBytes(keyBytes(key, value));
      all.set(peer, NO_TRAFFIC);
      seconds = 0;
    }
    if (peer === undefined) continue;
    const before = all.get(peer) ?? NO_TRAFFIC;
    const take = (more: Partial<PeerTraffic>): void => {
      if (peer !== undefined) all.set(peer, { ...before, ...more });
    };
    switch (key) {
      case "endpoint":
        take({ endpoint: canonicalEndpoint(value) });
        break;
      case "rx_bytes":
        take({ receivedBytes: count(key, value) });
        break;
      case "tx_bytes":
        take({ sentBytes: count(key, value) });
        break;
      case "last_handshake_time_sec":
        seconds = count(key, value);
        take({ lastHandshakeMs: handshakeMs(seconds, 0) });
        break;
      case "last_handshake_time_nsec":
        take({ lastHandshakeMs: handshakeMs(seconds, count(key, value)) });
    }
  }
  return all;
}

/** Seconds first, as programs send them; zero: never. */
function handshakeMs(seconds: number, nanoseconds: number): number | undefined {
  const milliseconds = seconds * 1_000 + Math.floor(nanoseconds / 1_000_000);
  return milliseconds === 0 ? undefined : milliseconds;
}

/** Up to 2⁵³ exactly: 8 PiB. */
function count(key: string, text: string): number {
  if (!/^[0-9]{1,20}$/.test(text)) {
    throw new SyntaxError(
      `Cannot read WireGuard's answer: ${key} is malformed`,
    );
  }
  return Number(text);
}
