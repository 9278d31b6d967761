/**
 * A watch of Nodes as it comes over the wire: bytes in, events out, in the
 * encoding that the server has chosen.
 *
 * @module
 */

import type { WatchEvent } from "../wire/node_json.ts";
import { networkError, type Party } from "./kube_error.ts";

export interface NodeWatch {
  /**
   * The next events, as many as have come; each is decoded when it is asked for,
   * so that it can be compared with what those before it have left. To be read to
   * the end before the next. `undefined`: the server has ended the watch cleanly,
   * or `close()` has been called. The iteration throws a SyntaxError where it is
   * no watch any more.
   *
   * @throws {NetworkError} where it breaks off
   * @throws {SyntaxError} where it is no watch any more
   */
  read(): Promise<Iterable<WatchEvent> | undefined>;
  close(): void;
}

export interface StreamWatchOptions {
  /** For messages. */
  readonly party: Party;
  /** The events' bytes that these complete; throws a SyntaxError where there are none. */
  split(chunk: Uint8Array): Iterator<Uint8Array>;
  decode(bytes: Uint8Array): WatchEvent;
}

export class StreamWatch implements NodeWatch {
  /** Resolves when nothing more will come of it. */
  readonly ended: Promise<void>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #options: StreamWatchOptions;
  readonly #end: () => void;
  #closed = false;

  constructor(response: Response, options: StreamWatchOptions) {
    this.#reader = response.body?.getReader();
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#end = resolve;
  }

  async read(): Promise<Iterable<WatchEvent> | undefined> {
    for (;;) {
      const chunk = await this.#next();
      if (chunk === undefined) return undefined;
      const parts = this.#options.split(chunk);
      const first = parts.next();
      if (first.done !== true) return this.#events(first.value, parts);
    }
  }

  close(): void {
    this.#closed = true;
    this.#reader?.cancel().catch(() => {});
    this.#end();
  }

  *#events(
    first: Uint8Array,
    rest: Iterator<Uint8Array>,
  ): Generator<WatchEvent> {
    const { decode } = this.#options;
    yield decode(first);
    for (let part = rest.next(); part.done !== true; part = rest.next()) {
      yield decode(part.value);
    }
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (this.#closed || this.#reader === undefined) return undefined;
    try {
      const { done, value } = await this.#reader.read();
      if (!done && !this.#closed) return value;
      this.close();
      return undefined;
    } catch (error) {
      const closed = this.#closed;
      this.close();
      if (closed) return undefined;
      throw networkError(this.#options.party, error);
    }
  }
}
