/**
 * The cross-platform userspace protocol of WireGuard: lines of `key=value`,
 * ended by an empty one, over a unix socket (wireguard.com/xplatform).
 *
 *     get=1          set=1                  errno=0
 *                    public_key=HEX
 *                    allowed_ip=10.0.1.0/24
 *
 * Keys are 64 hexadecimal digits. An answer of GET carries the private key:
 * never log one, nor a request. Unknown lines of an answer are skipped.
 *
 * @module
 */

import {
  endpointText,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../core/address.ts";
import {
  PrivateKey,
  type PublicKey,
  publicKeyBytes,
  publicKeyFromBytes,
} from "../core/key.ts";
import type { Peer, PeerChange } from "../core/state.ts";

export const GET_REQUEST = "get=1\n\n";

/** What a device says of itself. */
export interface UapiDevice {
  /** `null`: none is set, or the program keeps it to itself (boringtun). */
  readonly privateKey: PrivateKey | null;
  /** boringtun names it; for wireguard-go it follows from the private one. */
  readonly publicKey: PublicKey | null;
  readonly listenPort: number;
  readonly peers: ReadonlyMap<PublicKey, Peer>;
}

export interface UapiAnswer {
  /** Positive as in errno.h; 0 is success. */
  readonly errno: number;
  readonly device: UapiDevice;
}

/**
 * Nobody's: the SHA-256 of "clusternet: a peer to throw away". A prefix that
 * must leave its peer moves to this one, which is deleted in the same request:
 * the protocol has no other way that all programs know, short of replacing the
 * whole list, which loses packets.
 */
const THROW_AWAY_HEX =
  "6a434015e51873167ebfeb26de7d373da2715a22278e0493ffc8074db984d40e";

export function privateKeyRequest(key: PrivateKey): string {
  return setRequest([`private_key=${key.expose().toHex()}`]);
}

export function listenPortRequest(port: number): string {
  return setRequest([`listen_port=${port}`]);
}

/** One transaction of these lines. */
export function setRequest(lines: readonly string[]): string {
  return `${["set=1", ...lines].join("\n")}\n\n`;
}

/** One transaction: the changes in their order, then the AllowedIPs that go. */
export function peersRequest(changes: readonly PeerChange[]): string {
  const lines: string[] = [];
  const gone: Prefix[] = [];
  for (const change of changes) {
    switch (change.kind) {
      case "remove-peer":
        lines.push(...removePeerLines(change.publicKey));
        break;
      case "set-peer":
        lines.push(...setPeerLines(change));
        gone.push(...change.removeAllowedIps);
    }
  }
  if (gone.length > 0) {
    lines.push(`public_key=${THROW_AWAY_HEX}`);
    for (const prefix of gone) lines.push(`allowed_ip=${prefix}`);
    lines.push(`public_key=${THROW_AWAY_HEX}`, "remove=true");
  }
  return setRequest(lines);
}

export function removePeerLines(key: PublicKey): readonly string[] {
  return [`public_key=${hexKey(key)}`, "remove=true"];
}

/** All of a peer that is not there yet. */
export function addPeerLines(peer: Peer): readonly string[] {
  return setPeerLines({
    ...peer,
    kind: "set-peer",
    create: true,
    addAllowedIps: peer.allowedIps,
    removeAllowedIps: [],
    clearPresharedKey: false,
    replaces: undefined,
    node: "",
  });
}

function setPeerLines(
  change: PeerChange & { readonly kind: "set-peer" },
): readonly string[] {
  const lines: string[] = [];
  if (change.replaces !== undefined) {
    lines.push(...removePeerLines(change.replaces));
  }
  lines.push(`public_key=${hexKey(change.publicKey)}`);
  // Before all else: it decides whether the lines below mean anything.
  if (!change.create) lines.push("update_only=true");
  if (change.clearPresharedKey) {
    lines.push(`preshared_key=${"0".repeat(64)}`);
  }
  if (change.endpoint !== undefined) lines.push(`endpoint=${change.endpoint}`);
  if (change.keepaliveSeconds !== undefined) {
    lines.push(`persistent_keepalive_interval=${change.keepaliveSeconds}`);
  }
  for (const prefix of change.addAllowedIps) lines.push(`allowed_ip=${prefix}`);
  return lines;
}

/**
 * Read the answer to a GET or a SET (which is `errno` alone).
 *
 * @throws {SyntaxError} when it is cut short or a key, number or line is malformed
 */
export function parseAnswer(text: string): UapiAnswer {
  const reader = new AnswerReader();
  for (const [key, value] of answerLines(text)) reader.take(key, value);
  return reader.finish();
}

/** @throws {SyntaxError} when it is cut short, or a line is none */
export function* answerLines(
  text: string,
): Generator<readonly [key: string, value: string]> {
  if (!text.endsWith("\n\n")) {
    throw new SyntaxError("Cannot read WireGuard's answer: it is cut short");
  }
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const equals = line.indexOf("=");
    if (equals < 1) {
      throw new SyntaxError("Cannot read WireGuard's answer: a line has no =");
    }
    yield [line.slice(0, equals), line.slice(equals + 1)];
  }
}

interface PeerDraft {
  readonly publicKey: PublicKey;
  endpoint: string | undefined;
  keepaliveSeconds: number;
  presharedKey: boolean;
  readonly allowedIps: Prefix[];
}

/** Lines after a `public_key` belong to that peer. */
class AnswerReader {
  #privateKey: PrivateKey | null = null;
  #publicKey: PublicKey | null = null;
  #listenPort = 0;
  #errno: number | undefined;
  #peer: PeerDraft | undefined;
  readonly #peers = new Map<PublicKey, Peer>();

  take(key: string, value: string): void {
    switch (key) {
      case "errno":
        this.#errno = Math.abs(wholeNumber(key, value));
        return;
      case "private_key":
        this.#privateKey = PrivateKey.fromBytes(keyBytes(key, value));
        return;
      case "own_public_key":
        this.#publicKey = publicKeyFromBytes(keyBytes(key, value));
        return;
      case "listen_port":
        this.#listenPort = wholeNumber(key, value);
        return;
      case "public_key":
        this.#startPeer(publicKeyFromBytes(keyBytes(key, value)));
        return;
    }
    if (this.#peer !== undefined) takeOfPeer(this.#peer, key, value);
  }

  finish(): UapiAnswer {
    this.#endPeer();
    if (this.#errno === undefined) {
      throw new SyntaxError("Cannot read WireGuard's answer: it has no errno");
    }
    return {
      errno: this.#errno,
      device: {
        privateKey: this.#privateKey,
        publicKey: this.#publicKey,
        listenPort: this.#listenPort,
        peers: this.#peers,
      },
    };
  }

  #startPeer(publicKey: PublicKey): void {
    this.#endPeer();
    this.#peer = {
      publicKey,
      endpoint: undefined,
      keepaliveSeconds: 0,
      presharedKey: false,
      allowedIps: [],
    };
  }

  #endPeer(): void {
    if (this.#peer === undefined) return;
    const allowedIps = [...new Set(this.#peer.allowedIps)].sort();
    this.#peers.set(this.#peer.publicKey, { ...this.#peer, allowedIps });
    this.#peer = undefined;
  }
}

function takeOfPeer(peer: PeerDraft, key: string, value: string): void {
  switch (key) {
    case "preshared_key":
      peer.presharedKey = /[^0]/.test(keyDigits(key, value));
      return;
    case "persistent_keepalive_interval":
      peer.keepaliveSeconds = wholeNumber(key, value);
      return;
    case "endpoint":
      peer.endpoint = canonicalEndpoint(value);
      return;
    case "allowed_ip":
      peer.allowedIps.push(canonicalPrefix(value));
  }
}

/**
 * As `endpointText()` spells it. What that cannot (a zone, say) stays as it
 * stands: unlike anything that is wanted, so it will be set anew.
 */
export function canonicalEndpoint(text: string): string {
  const match = /^(?:\[(?<six>[^\]]+)\]|(?<four>[0-9.]+)):(?<port>[0-9]+)$/
    .exec(text);
  const address = match?.groups?.six ?? match?.groups?.four;
  try {
    if (address === undefined) return text;
    return endpointText(parseAddress(address), Number(match?.groups?.port));
  } catch {
    return text;
  }
}

/** What we would not write ourselves (`::ffff:…`) stays as it stands, so that it can be removed. */
function canonicalPrefix(text: string): Prefix {
  try {
    return parsePrefix(text);
  } catch {
    return text as Prefix;
  }
}

function wholeNumber(key: string, text: string): number {
  if (!/^-?[0-9]{1,10}$/.test(text)) {
    throw new SyntaxError(
      `Cannot read WireGuard's answer: ${key} is malformed`,
    );
  }
  return Number(text);
}

export function keyBytes(key: string, text: string): Uint8Array {
  return Uint8Array.fromHex(keyDigits(key, text));
}

/** @throws {SyntaxError} that does not repeat the value */
function keyDigits(key: string, text: string): string {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) {
    throw new SyntaxError(
      `Cannot read WireGuard's answer: ${key} is malformed`,
    );
  }
  return text;
}

function hexKey(key: PublicKey): string {
  return publicKeyBytes(key).toHex();
}
