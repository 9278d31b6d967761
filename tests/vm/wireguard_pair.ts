/**
 * Two namespaces with a WireGuard tunnel between them, set up by hand with `ip` and `wg`.
 *
 * @module
 */

import { run } from "./host.ts";
import { NamespacePair, sh } from "./in_guest.ts";

export class WireGuardEnd {
  readonly namespace: string;
  readonly underlay: string;
  /** Its address inside the tunnel. */
  readonly inner: string;
  readonly publicKey: string;
  readonly #privateKey: string;

  constructor(
    namespace: string,
    index: number,
    keys: { readonly publicKey: string; readonly privateKey: string },
  ) {
    this.namespace = namespace;
    this.underlay = `192.0.2.${index + 1}`;
    this.inner = `10.0.${index}.1`;
    this.publicKey = keys.publicKey;
    this.#privateKey = keys.privateKey;
  }

  /** Makes the link, with its key and address, without a peer. */
  async up(): Promise<void> {
    const file = await Deno.makeTempFile();
    await Deno.writeTextFile(file, this.#privateKey);
    await sh(`ip -n ${this.namespace} link add wg0 type wireguard`);
    await this.wg(`listen-port 7838 private-key ${file}`);
    await Deno.remove(file);
    await sh(`ip -n ${this.namespace} address add ${this.inner}/16 dev wg0`);
    await sh(`ip -n ${this.namespace} link set wg0 up`);
  }

  /** `wg set wg0 …` */
  async wg(words: string): Promise<void> {
    await sh(`ip netns exec ${this.namespace} wg set wg0 ${words}`);
  }

  async addPeer(other: WireGuardEnd): Promise<void> {
    const endpoint = `endpoint ${other.underlay}:7838`;
    await this.wg(
      `peer ${other.publicKey} ${endpoint} allowed-ips ${other.inner}/32`,
    );
  }
}

export class WireGuardPair implements AsyncDisposable {
  readonly pair: NamespacePair;
  readonly left: WireGuardEnd;
  readonly right: WireGuardEnd;

  private constructor(
    pair: NamespacePair,
    left: WireGuardEnd,
    right: WireGuardEnd,
  ) {
    this.pair = pair;
    this.left = left;
    this.right = right;
  }

  static async create(prefix: string): Promise<WireGuardPair> {
    const pair = await NamespacePair.create(prefix);
    const left = new WireGuardEnd(pair.left, 0, await makeKeys());
    const right = new WireGuardEnd(pair.right, 1, await makeKeys());
    const tunnel = new WireGuardPair(pair, left, right);
    await left.up();
    await right.up();
    await tunnel.connect();
    return tunnel;
  }

  /** Makes each the other's peer, and waits for an answer through the tunnel. */
  async connect(): Promise<void> {
    await this.left.addPeer(this.right);
    await this.right.addPeer(this.left);
    const ping = "ping -q -c 1 -W 10";
    await sh(
      `ip netns exec ${this.left.namespace} ${ping} ${this.right.inner}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pair[Symbol.asyncDispose]();
  }
}

async function makeKeys(): Promise<
  { readonly publicKey: string; readonly privateKey: string }
> {
  const privateKey = (await sh("wg genkey")).trim();
  const publicKey = await run(["wg", "pubkey"], {
    stdin: new TextEncoder().encode(privateKey),
  });
  return { privateKey, publicKey: new TextDecoder().decode(publicKey).trim() };
}
