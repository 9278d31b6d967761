/**
 * The state of a peer in one word, from what WireGuard counts and, where somebody
 * asked for it, from a probe to the peer's link address. A handshake that is old
 * says nothing by itself: nobody has spoken to that peer.
 *
 * @module
 */

import { type PeerTraffic, SESSION_MS } from "./traffic.ts";

/**
 * - `up`: there is a session
 * - `idle`: there is none, for want of traffic; where it was probed, it answered
 * - `down`: what was sent last got no answer
 */
export type PeerState = "up" | "idle" | "down";

/** One packet to a peer's link address, and whether anything came back. */
export interface Probe {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly answered: boolean;
  /** Milliseconds until the answer; `undefined`: there was none. */
  readonly roundTripMs: number | undefined;
  /** Why there was none, for people; "" where it answered. */
  readonly failure: string;
  /** Was there a session before? */
  readonly session: boolean;
}

/** Milliseconds for which a probe tells of now: from one scrape of a minute to the next. */
export const PROBE_COUNTS_MS = 120_000;

/** Milliseconds for an answer over a session: a few round trips, and TCP's first repetition. */
const ANSWER_MS = 3_000;

/**
 * Milliseconds for an answer where there is no session yet. What WireGuard says
 * first to shake hands may be lost; it says it again after REKEY_TIMEOUT, 5 s,
 * and up to a third of a second more (drivers/net/wireguard/messages.h, timers.c).
 */
export const HANDSHAKE_MS = 6_000;

/**
 * How long a probe waits before it says that nobody answers. Where that was found
 * out already, and nothing was heard since, WireGuard has had its second try.
 *
 * @returns milliseconds
 */
export function probePatience(
  traffic: PeerTraffic,
  now: Parameters<typeof peerState>[1],
): number {
  return hasSession(traffic.lastHandshakeMs, now.nowMs) ||
      peerState(traffic, now) === "down"
    ? ANSWER_MS
    : HANDSHAKE_MS;
}

/**
 * ```ts
 * import assert from "node:assert/strict";
 * import { peerState } from "./peer_state.ts";
 * import { NO_TRAFFIC } from "./traffic.ts";
 *
 * const spoken = { ...NO_TRAFFIC, lastHandshakeMs: 1_000 };
 * assert.equal(peerState(spoken, { nowMs: 61_000 }), "up");
 * assert.equal(peerState(spoken, { nowMs: 601_000 }), "idle");
 * ```
 */
export function peerState(
  { lastHandshakeMs }: PeerTraffic,
  { nowMs, probe }: {
    /** Milliseconds since 1970. */
    readonly nowMs: number;
    readonly probe?: Probe | undefined;
  },
): PeerState {
  if (probe !== undefined && nowMs - probe.atMs < PROBE_COUNTS_MS) {
    // Whoever shook hands after a failed probe is there again.
    const since = (lastHandshakeMs ?? 0) > probe.atMs;
    if (!probe.answered && !since) return "down";
    if (probe.answered && !probe.session) return "idle";
  }
  return hasSession(lastHandshakeMs, nowMs) ? "up" : "idle";
}

/** Both in milliseconds since 1970. */
export function hasSession(
  lastHandshakeMs: number | undefined,
  nowMs: number,
): boolean {
  return lastHandshakeMs !== undefined && nowMs - lastHandshakeMs < SESSION_MS;
}
