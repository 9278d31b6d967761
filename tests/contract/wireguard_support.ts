/**
 * What the claims of the WireGuard contract are made of: a fresh device, peers
 * and changes in short, and comparison with what the port reads back.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { WireGuardPort, WireGuardState } from "../../mod/agent/ports.ts";
import {
  endpointText,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../mod/core/address.ts";
import { KernelError } from "../../mod/core/errors.ts";
import { type PublicKey, publicKeyFromBytes } from "../../mod/core/key.ts";
import type { Peer, PeerChange } from "../../mod/core/state.ts";
import { Random } from "../support/random.ts";

/** A fresh device for one test. */
export interface WireGuardLab extends AsyncDisposable {
  readonly port: WireGuardPort;
  /** Name of a WireGuard link that is there, up, and has no key and no peers. */
  readonly link: string;
  /** Give an existing peer a preshared key, by another way than the port. */
  /** `false`: this program cannot change a peer that exists, and has none. */
  setPresharedKey(peer: PublicKey): Promise<boolean>;
  /** Bind a UDP port, as another program would. */
  occupyPort(port: number): Promise<AsyncDisposable>;
}

export interface Claim {
  readonly claim: string;
  readonly check: (lab: WireGuardLab) => Promise<void>;
}

export type SetPeer = PeerChange & { readonly kind: "set-peer" };

/** UDP port numbers of the tests; the lab's network namespace has no other use for them. */
export const PORT = 7838;
export const OTHER_PORT = 7839;

export async function holds(
  port: WireGuardPort,
  link: string,
  wanted: readonly Peer[],
): Promise<void> {
  const found = await peersOf(port, link);
  for (const peer of wanted) {
    assert.deepEqual(found.get(peer.publicKey), peer);
  }
  assert.equal(found.size, wanted.length);
}

export async function peersOf(
  port: WireGuardPort,
  link: string,
): Promise<WireGuardState["peers"]> {
  const { peers, complete } = await port.read(link);
  assert.equal(complete, true);
  return peers;
}

export async function refusal(
  work: Promise<unknown>,
  errno: number,
): Promise<void> {
  await assert.rejects(work, (error) => {
    assert(error instanceof KernelError, Deno.inspect(error));
    assert.equal(error.errno, errno, error.message);
    assert.match(error.message, /^Cannot [a-z]/);
    return true;
  });
}

/** The n-th peer's key: any 32 bytes are a point on the curve or its twist. */
export function peerKey(n: number): PublicKey {
  return publicKeyFromBytes(new Random(1_000_003 * (n + 1)).bytes(32));
}

export function peer(n: number, fields: Partial<Peer> = {}): Peer {
  return {
    publicKey: peerKey(n),
    endpoint: undefined,
    allowedIps: [],
    keepaliveSeconds: 0,
    presharedKey: false,
    ...fields,
  };
}

/** The change that makes this peer where there was none. */
export function changeFor(peer: Peer): SetPeer {
  return setPeer(peer.publicKey, {
    endpoint: peer.endpoint,
    addAllowedIps: peer.allowedIps,
    keepaliveSeconds: peer.keepaliveSeconds,
  });
}

export function setPeer(
  publicKey: PublicKey,
  fields: Partial<SetPeer> = {},
): SetPeer {
  return {
    kind: "set-peer",
    publicKey,
    create: true,
    endpoint: undefined,
    addAllowedIps: [],
    removeAllowedIps: [],
    keepaliveSeconds: undefined,
    clearPresharedKey: false,
    replaces: undefined,
    node: "test",
    ...fields,
  };
}

export function prefixes(...texts: readonly string[]): readonly Prefix[] {
  return texts.map(parsePrefix).sort();
}

export function endpoint(address: string): string {
  return endpointText(parseAddress(address), PORT);
}
