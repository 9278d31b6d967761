/**
 * What WireGuard itself knows of a peer beside its configuration: when the last
 * handshake was, and how much has gone either way. Never part of a `State`:
 * nothing is planned from it.
 *
 * @module
 */

/**
 * Milliseconds after which a session is used no more (REJECT_AFTER_TIME of
 * section 6.1 of the WireGuard paper): a peer that is spoken to has a handshake
 * that is younger.
 */
export const SESSION_MS = 180_000;

export interface PeerTraffic {
  /** Where its packets come from at the moment; `undefined`: the kernel knows none. */
  readonly endpoint: string | undefined;
  /** Milliseconds since 1970; `undefined`: there has been none. */
  readonly lastHandshakeMs: number | undefined;
  /** Bytes since the peer was made, tunnel headers included. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export const NO_TRAFFIC: PeerTraffic = {
  endpoint: undefined,
  lastHandshakeMs: undefined,
  receivedBytes: 0,
  sentBytes: 0,
};

/** Was it sent to, and never said a word? A handshake may be under way. */
export function isUnanswered(peer: PeerTraffic): boolean {
  return peer.sentBytes > 0 && peer.receivedBytes === 0 &&
    peer.lastHandshakeMs === undefined;
}
