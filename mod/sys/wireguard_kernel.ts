/**
 * The WireGuardPort of this kernel's WireGuard, in the network namespace of
 * this process.
 *
 * A change is sent as it is, in as few messages as the limits allow; the event
 * loop goes on between them.
 *
 * @module
 */

import { ERRNO, KernelError } from "../core/errors.ts";
import {
  type PrivateKey,
  type PublicKey,
  publicKeyFromBytes,
} from "../core/key.ts";
import { hasRemovals, withoutRobbery } from "../core/removals.ts";
import type { Device, Peer, PeerChange } from "../core/state.ts";
import type { PeerTraffic } from "../core/traffic.ts";
import { decodeFamilyId, getFamily } from "../wire/genetlink.ts";
import { NETLINK_GENERIC } from "../wire/netlink.ts";
import {
  decodeDevice,
  getDevice,
  mergeDump,
  redactSecrets,
  setListenPort,
  setPeers,
  setPrivateKey,
  WG_GENL_NAME,
} from "../wire/wireguard.ts";
import { batchChanges } from "../wire/wireguard_batch.ts";
import {
  decodeMark,
  decodeTraffic,
  mergeTraffic,
} from "../wire/wireguard_traffic.ts";
import { NetlinkSocket } from "./netlink_socket.ts";
import type { Shim } from "./shim.ts";

export class KernelWireGuard {
  readonly kind = "kernel";
  readonly #shim: Shim;
  /** The family's number; it stays while the module is loaded. */
  #family: number | undefined;
  /** Seen to refuse WGALLOWEDIP_F_REMOVE_ME: Linux before 6.16. */
  #lacksRemoval = false;

  constructor(shim: Shim) {
    this.#shim = shim;
  }

  /** Does this kernel have WireGuard? Asking loads its module, where there is one. */
  async available(): Promise<boolean> {
    try {
      using socket = this.#socket();
      await this.#familyOf(socket);
      return true;
    } catch (error) {
      if (error instanceof KernelError && error.errno === ERRNO.EOPNOTSUPP) {
        return false;
      }
      throw error;
    }
  }

  /** @throws {KernelError} ENODEV where the device is not there */
  async read(link: string): Promise<{
    readonly device: Device;
    readonly peers: ReadonlyMap<PublicKey, Peer>;
    readonly complete: boolean;
  }> {
    using socket = this.#socket();
    const family = await this.#familyOf(socket);
    const what = `read WireGuard device ${link}`;
    const request = getDevice(family, link);
    const { values, complete } = await socket.dump(request, what, decodeDevice);
    return { ...mergeDump(values), complete };
  }

  /** @throws {KernelError} ENODEV where the device is not there */
  async traffic(link: string): Promise<ReadonlyMap<PublicKey, PeerTraffic>> {
    using socket = this.#socket();
    const request = getDevice(await this.#familyOf(socket), link);
    const what = `read the traffic of WireGuard device ${link}`;
    const { values } = await socket.dump(request, what, decodeTraffic);
    return mergeTraffic(values);
  }

  /** Of the packets that it sends; 0: none. @throws {KernelError} as `read()` */
  async mark(link: string): Promise<number> {
    using socket = this.#socket();
    const request = getDevice(await this.#familyOf(socket), link);
    const what = `read the mark of WireGuard device ${link}`;
    const { values } = await socket.dump(request, what, decodeMark);
    return Math.max(0, ...values);
  }

  async setPrivateKey(link: string, key: PrivateKey): Promise<void> {
    using socket = this.#socket();
    const request = setPrivateKey(await this.#familyOf(socket), link, { key });
    await socket.request(request, `set private key of ${link}`);
  }

  async setListenPort(link: string, port: number): Promise<void> {
    using socket = this.#socket();
    const family = await this.#familyOf(socket);
    const what = `set listen port of ${link} to ${port}`;
    await socket.request(setListenPort(family, link, { port }), what);
  }

  async changePeers(
    link: string,
    changes: readonly PeerChange[],
  ): Promise<void> {
    try {
      await this.#changePeers(link, changes, !this.#lacksRemoval);
    } catch (error) {
      const unknown = error instanceof KernelError &&
        error.errno === ERRNO.EINVAL && !this.#lacksRemoval &&
        hasRemovals(changes);
      if (!unknown) throw error;
      // What went through does no harm a second time.
      await this.#changePeers(link, changes, false);
      this.#lacksRemoval = true;
    }
  }

  async #changePeers(
    link: string,
    changes: readonly PeerChange[],
    flag: boolean,
  ): Promise<void> {
    using socket = this.#socket();
    const family = await this.#familyOf(socket);
    const spare = publicKeyFromBytes(
      crypto.getRandomValues(new Uint8Array(32)),
    );
    const safe = flag || !hasRemovals(changes)
      ? changes
      : withoutRobbery(changes, (await this.read(link)).peers);
    const messages = batchChanges(safe, { flag, spare });
    for (const entries of messages) {
      const what = changes.length === 1
        ? `set peer ${changes[0]?.publicKey} of ${link}`
        : `set ${changes.length} peers of ${link}`;
      await socket.request(setPeers(family, link, { entries }), what);
    }
  }

  #socket(): NetlinkSocket {
    return new NetlinkSocket(this.#shim, NETLINK_GENERIC, {
      redact: redactSecrets,
    });
  }

  /** @throws {KernelError} EOPNOTSUPP where the kernel has no WireGuard */
  async #familyOf(socket: NetlinkSocket): Promise<number> {
    if (this.#family !== undefined) return this.#family;
    const what = "find WireGuard in this kernel";
    try {
      const request = getFamily(WG_GENL_NAME);
      this.#family = await socket.request(request, what, decodeFamilyId);
    } catch (cause) {
      if (!(cause instanceof KernelError) || cause.errno !== ERRNO.ENOENT) {
        throw cause;
      }
      throw new KernelError(
        `Cannot ${what}: it has none`,
        ERRNO.EOPNOTSUPP,
        { cause, reason: "NoWireGuard" },
      );
    }
    if (this.#family !== undefined) return this.#family;
    throw new KernelError(`Cannot ${what}: no answer`, ERRNO.EIO);
  }
}
