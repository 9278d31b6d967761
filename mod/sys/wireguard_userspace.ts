/**
 * WireGuard in a program of its own: wireguard-go, boringtun or whatever else
 * listens on `/var/run/wireguard/LINK.sock`. It is adopted and never owned:
 * its process outlives ours, so that a restart of the agent loses no packet.
 *
 * Every exchange is a connection of its own with a time limit and a bounded
 * answer. Neither requests nor answers are ever logged: they hold keys.
 *
 * @module
 */

import { ERRNO, KernelError } from "../core/errors.ts";
import {
  derivePublicKey,
  type PrivateKey,
  type PublicKey,
} from "../core/key.ts";
import { hasRemovals, withoutRobbery } from "../core/removals.ts";
import type { Device, Peer, PeerChange } from "../core/state.ts";
import type { PeerTraffic } from "../core/traffic.ts";
import { errnoText } from "../wire/errno.ts";
import {
  GET_REQUEST,
  listenPortRequest,
  parseAnswer,
  peersRequest,
  privateKeyRequest,
  type UapiDevice,
} from "../wire/wg_uapi.ts";
import { parseTraffic } from "../wire/wg_uapi_traffic.ts";
import { wholePeerRequests } from "../wire/wg_uapi_whole.ts";

/** Where the programs put their sockets (wireguard.com/xplatform). */
export const SOCKET_DIRECTORY = "/var/run/wireguard";

/** include/uapi/asm-generic/errno.h */
const ETIMEDOUT = 110;

/** Some 400 bytes a peer: room for 100,000 of them. */
const ANSWER_LIMIT_BYTES = 64 * 1024 * 1024;

/** Changes of one transaction: no exchange then takes long. */
const CHANGES_PER_REQUEST = 500;

export interface UserspaceOptions {
  /** `SOCKET_DIRECTORY` by default. */
  readonly directory?: string;
  /** Milliseconds for one exchange; 10,000 by default. */
  readonly timeoutMs?: number;
}

/** Fits the WireGuardPort of `agent/ports.ts`. */
export class UserspaceWireGuard {
  readonly kind = "userspace";
  readonly #directory: string;
  readonly #timeoutMs: number;
  /** By link: can its program not change a peer in place (boringtun)? As last seen. */
  readonly #whole = new Map<string, boolean>();

  constructor(options: UserspaceOptions = {}) {
    this.#directory = options.directory ?? SOCKET_DIRECTORY;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
  }

  /** @throws {KernelError} ENODEV where no program listens, with how to start one */
  async read(link: string): Promise<{
    readonly device: Device;
    readonly peers: ReadonlyMap<PublicKey, Peer>;
    readonly complete: boolean;
  }> {
    const found = await this.#get(link);
    const publicKey = found.privateKey === null
      ? found.publicKey
      : await derivePublicKey(found.privateKey);
    const { listenPort, peers } = found;
    return { device: { publicKey, listenPort }, peers, complete: true };
  }

  /** @throws {KernelError} as `read()` */
  async traffic(link: string): Promise<ReadonlyMap<PublicKey, PeerTraffic>> {
    const doing = `read the traffic of device ${link}`;
    return await this.#ask(link, {
      request: GET_REQUEST,
      doing,
      read: (text) => {
        deviceIn(text, doing);
        return parseTraffic(text);
      },
    });
  }

  async setPrivateKey(link: string, key: PrivateKey): Promise<void> {
    const request = privateKeyRequest(key);
    await this.#exchange(link, request, `set private key of ${link}`);
    // Which program it is shows only once it has a key.
    await this.#get(link);
  }

  /**
   * wireguard-go closes its socket before it tries the new port, and stays
   * without one where that is taken: it then gets the old one back.
   */
  async setListenPort(link: string, port: number): Promise<void> {
    const before = (await this.#get(link)).listenPort;
    const doing = `set listen port ${port} of ${link}`;
    try {
      await this.#exchange(link, listenPortRequest(port), doing);
    } catch (error) {
      if (before !== 0 && before !== port) {
        await this.#exchange(link, listenPortRequest(before), doing)
          .catch(() => {});
      }
      throw error;
    }
  }

  /** boringtun makes changed peers anew: their sessions, and preshared keys, go. */
  async changePeers(
    link: string,
    changes: readonly PeerChange[],
  ): Promise<void> {
    for (const request of await this.#peerRequests(link, changes)) {
      await this.#exchange(link, request, `change peers of ${link}`);
    }
  }

  async #peerRequests(
    link: string,
    changes: readonly PeerChange[],
  ): Promise<readonly string[]> {
    if (changes.length === 0) return [];
    // To ask a program for what it cannot do may end it: know it first.
    const whole = this.#whole.get(link);
    const found = whole !== false || hasRemovals(changes)
      ? await this.#get(link)
      : undefined;
    if (found !== undefined && this.#whole.get(link) === true) {
      return wholePeerRequests(changes, found);
    }
    const wanted = found === undefined
      ? changes
      : withoutRobbery(changes, found.peers);
    const requests: string[] = [];
    for (let at = 0; at < wanted.length; at += CHANGES_PER_REQUEST) {
      requests.push(peersRequest(wanted.slice(at, at + CHANGES_PER_REQUEST)));
    }
    return requests;
  }

  async #get(link: string): Promise<UapiDevice> {
    const found = await this.#exchange(
      link,
      GET_REQUEST,
      `read device ${link}`,
    );
    this.#whole.set(link, found.publicKey !== null);
    return found;
  }

  async #exchange(
    link: string,
    request: string,
    doing: string,
  ): Promise<UapiDevice> {
    return await this.#ask(link, {
      request,
      doing,
      read: (text) => deviceIn(text, doing),
    });
  }

  async #ask<T>(link: string, question: Question<T>): Promise<T> {
    const { doing, read, request } = question;
    const connection = await this.#connect(link);
    let late = false;
    const close = (): void => {
      try {
        connection.close();
      } catch { /* closed already */ }
    };
    const timer = setTimeout(() => {
      late = true;
      close();
    }, this.#timeoutMs);
    try {
      await sendAll(connection, new TextEncoder().encode(request));
      return read(await receiveAll(connection));
    } catch (cause) {
      throw failure(doing, late ? undefined : cause);
    } finally {
      clearTimeout(timer);
      close();
    }
  }

  async #connect(link: string): Promise<Deno.UnixConn> {
    const path = this.#path(link);
    try {
      return await Deno.connect({ transport: "unix", path });
    } catch (cause) {
      const what = `Cannot reach a userspace WireGuard for link ${link}`;
      if (
        cause instanceof Deno.errors.NotFound ||
        cause instanceof Deno.errors.ConnectionRefused
      ) {
        throw new KernelError(
          `${what}: nothing listens on ${path}; start one that outlives the agent, e.g. \`wireguard-go ${link}\``,
          ERRNO.ENODEV,
          { cause, reason: "NoUserspaceWireGuard" },
        );
      }
      const denied = cause instanceof Deno.errors.PermissionDenied ||
        cause instanceof Deno.errors.NotCapable;
      const why = denied ? `no permission for ${path}` : `${path} fails`;
      const errno = denied ? ERRNO.EACCES : ERRNO.EIO;
      throw new KernelError(`${what}: ${why}`, errno, {
        cause,
        reason: "NoUserspaceWireGuard",
      });
    }
  }

  /** A name that the kernel would refuse cannot be a way out of the directory. */
  #path(link: string): string {
    if (!/^[^/\s]{1,15}$/.test(link) || link === "." || link === "..") {
      throw new KernelError(
        `Cannot reach a userspace WireGuard: ${
          JSON.stringify(link)
        } is no name of a link`,
        ERRNO.ENODEV,
        { reason: "NoUserspaceWireGuard" },
      );
    }
    return `${this.#directory}/${link}.sock`;
  }
}

interface Question<T> {
  readonly request: string;
  /** For people: what cannot be done if it fails. */
  readonly doing: string;
  readonly read: (answer: string) => T;
}

/** @throws {KernelError} where the program says an errno */
function deviceIn(answer: string, doing: string): UapiDevice {
  const { errno, device } = parseAnswer(answer);
  if (errno === 0) return device;
  throw new KernelError(`Cannot ${doing}: ${errnoText(errno)}`, errno);
}

/** @param cause `undefined`: the time was up */
function failure(doing: string, cause: unknown): KernelError {
  if (cause instanceof KernelError) return cause;
  if (cause === undefined) {
    return new KernelError(
      `Cannot ${doing}: its program does not answer`,
      ETIMEDOUT,
    );
  }
  return new KernelError(
    `Cannot ${doing}: its program gives no usable answer`,
    ERRNO.EIO,
    { cause },
  );
}

async function sendAll(
  connection: Deno.UnixConn,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await connection.write(bytes.subarray(at));
  }
}

/** Up to and with the empty line. @throws {Error} when there is none, or too much before it */
async function receiveAll(connection: Deno.UnixConn): Promise<string> {
  const buffer = new Uint8Array(64 * 1024);
  const decoder = new TextDecoder();
  const parts: string[] = [];
  let total = 0;
  let tail = "";
  while (tail !== "\n\n") {
    const length = await connection.read(buffer);
    if (length === null) throw new Error("The connection ended too early");
    total += length;
    if (total > ANSWER_LIMIT_BYTES) throw new Error("The answer is too long");
    const part = decoder.decode(buffer.subarray(0, length), { stream: true });
    parts.push(part);
    tail = (tail + part).slice(-2);
  }
  buffer.fill(0);
  return parts.join("");
}
