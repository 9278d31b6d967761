/**
 * What is said on the connection of an exec: both outputs of the program, and how
 * it has ended.
 *
 * @module
 */

import {
  decodeChannelMessage,
  decodeProgramEnd,
  END,
  type ProgramEnd,
  STDERR,
  STDOUT,
} from "../wire/kube_channel.ts";
import { NetworkError } from "./kube_error.ts";

/** The connection has never been one: the server has refused it, or is away. */
export class NotOpened extends NetworkError {}

interface Conversation {
  /** For messages. */
  readonly what: string;
  readonly signal: AbortSignal;
  /** Bytes of either output. */
  readonly limit: number;
}

export interface ProgramBytes {
  readonly code: number;
  readonly stdout: Uint8Array<ArrayBuffer>;
  readonly stderr: string;
}

/** @throws {NetworkError} one sentence: no connection, no end, or too much */
export async function conversation(
  socket: WebSocket,
  { what, signal, limit }: Conversation,
): Promise<ProgramBytes> {
  const { promise, resolve, reject } = Promise.withResolvers<ProgramBytes>();
  const stdout = new Output(limit);
  const stderr = new Output(limit);
  const outputs = new Map([[STDOUT, stdout], [STDERR, stderr]]);
  let end: ProgramEnd | undefined;
  let opened = false;
  let said = "";
  const give = (): void => signal.aborted ? reject(signal.reason) : undefined;
  signal.addEventListener("abort", give, { once: true });
  give();
  socket.binaryType = "arraybuffer";
  socket.onopen = () => opened = true;
  socket.onmessage = ({ data }) => {
    if (!(data instanceof ArrayBuffer) || data.byteLength === 0) return;
    const { channel, bytes } = decodeChannelMessage(new Uint8Array(data));
    if (channel === END) end = decodeProgramEnd(bytes);
    else if (outputs.get(channel)?.add(bytes) === false) {
      reject(new NetworkError(`Cannot ${what}: it says too much`));
    }
  };
  socket.onerror = (event) => {
    said = event instanceof ErrorEvent ? event.message : "";
  };
  socket.onclose = ({ reason }) => {
    if (!opened) {
      reject(
        new NotOpened(`Cannot ${what}: ${refusal(said)}`, { detail: said }),
      );
    } else if (end === undefined) {
      const why = reason || said || "the connection broke off";
      reject(new NetworkError(`Cannot ${what}: ${why}`));
    } else if (end.kind === "failure") {
      reject(new NetworkError(`Cannot ${what}: ${end.why}`));
    } else {
      resolve({
        code: end.code,
        stdout: stdout.bytes(),
        stderr: new TextDecoder().decode(stderr.bytes()),
      });
    }
  };
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", give);
    socket.onclose = socket.onerror = socket.onmessage = null;
    if (socket.readyState !== WebSocket.CLOSED) socket.close();
  }
}

class Output {
  readonly #limit: number;
  /** Grows by doubling: pieces may be of a byte each. */
  #held = new Uint8Array(1024);
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @returns `false`: it is too much */
  add(bytes: Uint8Array): boolean {
    const length = this.#length + bytes.length;
    if (length > this.#limit) return false;
    if (length > this.#held.length) {
      const held = new Uint8Array(Math.max(length, 2 * this.#held.length));
      held.set(this.#held.subarray(0, this.#length));
      this.#held = held;
    }
    this.#held.set(bytes, this.#length);
    this.#length = length;
    return true;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#held.subarray(0, this.#length);
  }
}

function refusal(said: string): string {
  const [, code] = /status code:? (\d{3})/i.exec(said) ?? [];
  if (code === "500" || code === "502" || code === "504") {
    return `the API server cannot reach the node's kubelet (${code})`;
  }
  return said === "" ? "no connection" : said;
}
