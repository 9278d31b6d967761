/**
 * Requests to the kernel and its answers. One socket an errand: nobody waits
 * for anybody, and no answer of an earlier request can be left in it.
 *
 * What takes the kernel long (a lock, hundreds of peers) is done on a thread;
 * the event loop goes on. Buffers are wiped in the end: WireGuard puts the
 * private key into every dump.
 *
 * @module
 */

import { ERRNO, KernelError } from "../core/errors.ts";
import { errnoName, errnoText } from "../wire/errno.ts";
import { hexRows } from "../wire/hex_dump.ts";
import {
  decodeAck,
  decodeMessages,
  encodeRequest,
  type Message,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
  NLMSG_OVERRUN,
  type Request,
} from "../wire/netlink.ts";
import { debugs } from "./debug.ts";
import type { Descriptor, Shim } from "./shim.ts";

/** No datagram of the kernel's dumps is larger than 32 KiB (net/netlink/af_netlink.c). */
const RECEIVE_BYTES = 65_536;

/** The kernel answers while the request is being sent: to wait is to be lost. */
const ANSWER_MILLISECONDS = 5_000;

/** Dumps of a table that changes all the while are never consistent. */
const DUMP_TRIES = 5;

const ETIMEDOUT = 110;

export interface Dump<T> {
  readonly values: readonly T[];
  /** `false`: it changed while it was read, each time (NLM_F_DUMP_INTR). */
  readonly complete: boolean;
}

export interface NetlinkOptions {
  /** Takes the secrets out of a message before it is printed. */
  readonly redact?: (message: Uint8Array) => Uint8Array;
}

/** What it needs of the shim. */
export type NetlinkCalls =
  & Pick<Shim, "openNetlink" | "sendThreaded" | "wait" | "receive">
  & Partial<Pick<Shim, "counters">>;

/** A socket for requests. `using`: it is closed, and its buffer wiped. */
export class NetlinkSocket implements Disposable {
  readonly #shim: NetlinkCalls;
  readonly #socket: Descriptor;
  readonly #port: number;
  readonly #redact: (message: Uint8Array) => Uint8Array;
  readonly #buffer = new Uint8Array(RECEIVE_BYTES);
  #sequence = 0;

  /** @param protocol NETLINK_ROUTE, NETLINK_GENERIC, … */
  constructor(
    shim: NetlinkCalls,
    protocol: number,
    options: NetlinkOptions = {},
  ) {
    this.#shim = shim;
    this.#redact = options.redact ?? ((message): Uint8Array => message);
    const { socket, port } = shim.openNetlink(protocol);
    this.#socket = socket;
    this.#port = port;
  }

  [Symbol.dispose](): void {
    this.#buffer.fill(0);
    this.#socket.close();
  }

  /**
   * Ask for one thing.
   *
   * @param what after "Cannot", for people: "add route 10.0.0.0/16"
   * @param decode what to make of an answer that is more than an acknowledgement;
   * the bytes are gone when it returns
   * @throws {KernelError} when the kernel refuses
   */
  async request<T = never>(
    request: Request,
    what: string,
    decode?: (payload: Uint8Array) => T,
  ): Promise<T | undefined> {
    const values: T[] = [];
    await this.#exchange(request, what, (message) => {
      if (decode !== undefined) values.push(decode(message.payload));
    });
    return values[0];
  }

  /**
   * Ask for a table.
   *
   * @param decode `undefined` is left out
   * @throws {KernelError} when the kernel refuses
   */
  async dump<T>(
    request: Request,
    what: string,
    decode: (payload: Uint8Array) => T | undefined,
  ): Promise<Dump<T>> {
    for (let tries = 1;; tries++) {
      const values: T[] = [];
      let complete = true;
      await this.#exchange(request, what, (message) => {
        if ((message.flags & NLM_F_DUMP_INTR) !== 0) complete = false;
        if (message.type === NLMSG_DONE) return;
        const value = decode(message.payload);
        if (value !== undefined) values.push(value);
      });
      if (!complete) this.#shim.counters?.add("dump-interrupted");
      if (complete || tries === DUMP_TRIES) return { values, complete };
    }
  }

  /**
   * Make several changes, all or none of them.
   *
   * @param encode the datagram, whose first message has that number
   * @param count how many of its messages are acknowledged
   * @throws {KernelError} when the kernel refuses one, and so all
   */
  async batch(
    encode: (sequence: number) => Uint8Array<ArrayBuffer>,
    what: string,
    { count }: { readonly count: number },
  ): Promise<void> {
    const first = this.#sequence + 1;
    const bytes = encode(first);
    this.#sequence = decodeMessages(bytes).at(-1)?.sequence ?? first;
    this.#debug(">", bytes);
    try {
      await this.#answers(bytes, what, { first, count });
    } catch (error) {
      this.#count(error);
      throw error;
    }
  }

  async #answers(
    bytes: Uint8Array<ArrayBuffer>,
    what: string,
    { first, count }: { readonly first: number; readonly count: number },
  ): Promise<void> {
    await this.#shim.sendThreaded(this.#socket, bytes).catch(about(what));
    for (let left = count; left > 0;) {
      const answer = await this.#receive().catch(about(what));
      for (const message of decodeMessages(answer)) {
        const ours = message.sequence >= first && message.port === this.#port;
        if (!ours || message.type !== NLMSG_ERROR) continue;
        const { errno, text } = decodeAck(message);
        if (errno !== 0) throw refusal(what, errno, { text });
        left--;
      }
    }
  }

  /** Send, and hand over the messages that answer until the last one. */
  async #exchange(
    request: Request,
    what: string,
    take: (message: Message) => void,
  ): Promise<void> {
    this.#sequence++;
    const bytes = encodeRequest(request, this.#sequence);
    this.#debug(">", bytes);
    try {
      await this.#shim.sendThreaded(this.#socket, bytes).catch(about(what));
      for (;;) {
        const answer = await this.#receive().catch(about(what));
        if (this.#take(answer, what, take)) return;
      }
    } catch (error) {
      this.#count(error);
      throw error;
    } finally {
      bytes.fill(0);
    }
  }

  #count(error: unknown): void {
    if (!(error instanceof KernelError)) return;
    this.#shim.counters?.add("netlink-errors", errnoName(error.errno));
  }

  /** @returns is this the end of the answer? */
  #take(
    datagram: Uint8Array,
    what: string,
    take: (message: Message) => void,
  ): boolean {
    let done = false;
    for (const message of decodeMessages(datagram)) {
      const ours = message.sequence === this.#sequence &&
        message.port === this.#port;
      if (!ours || message.type === NLMSG_NOOP) continue;
      if (message.type === NLMSG_OVERRUN) throw refusal(what, ERRNO.ENOBUFS);
      const last = message.type === NLMSG_DONE || message.type === NLMSG_ERROR;
      if (last) {
        const { errno, text } = decodeAck(message);
        if (errno !== 0) throw refusal(what, errno, { text });
        done = true;
      }
      if (message.type !== NLMSG_ERROR) take(message);
    }
    return done;
  }

  /** The next datagram: a view of the buffer. */
  async #receive(): Promise<Uint8Array> {
    for (;;) {
      // Also where one is there already: a long dump lets others run.
      const { ready } = await this.#shim.wait(this.#socket, {
        milliseconds: ANSWER_MILLISECONDS,
      });
      if (!ready) throw new KernelError("No answer", ETIMEDOUT);
      const length = this.#shim.receive(this.#socket, this.#buffer);
      if (length > this.#buffer.length) {
        throw new KernelError("Answer too long", ERRNO.EMSGSIZE);
      }
      if (length === 0) continue;
      const datagram = this.#buffer.subarray(0, length);
      this.#debug("<", datagram);
      return datagram;
    }
  }

  #debug(direction: string, message: Uint8Array): void {
    if (!debugging()) return;
    console.error(`netlink ${direction} ${message.length} bytes`);
    console.error(hexRows(this.#redact(message)));
  }
}

/** An error of the socket itself becomes one of what it was used for. */
function about(what: string): (cause: unknown) => never {
  return (cause) => {
    if (!(cause instanceof KernelError)) throw cause;
    throw refusal(what, cause.errno, { cause });
  };
}

/** "Cannot add route 10.0.0.0/16: Invalid argument (Invalid prefix for given prefix length)" */
function refusal(
  what: string,
  errno: number,
  options: { readonly text?: string | undefined } & ErrorOptions = {},
): KernelError {
  const { text, ...rest } = options;
  const detail = text === undefined || text === "" ? "" : ` (${text})`;
  const message = `Cannot ${what}: ${errnoText(errno)}${detail}`;
  return new KernelError(message, errno, rest);
}

let debug: boolean | undefined;

/** Asked once. */
function debugging(): boolean {
  debug ??= debugs("netlink");
  return debug;
}
