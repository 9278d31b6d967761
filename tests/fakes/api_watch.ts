/**
 * Watch streams of the API server of the tests: initial state where asked for,
 * then each change as a line of JSON or a frame of protobuf, bookmarks, a clean
 * end at the deadline.
 *
 * @module
 */

import type { Fault } from "./api_faults.ts";
import {
  type Encoding,
  nodeBytes,
  statusBytes,
  watchFrame,
  wrapped,
} from "./api_protobuf.ts";
import { ApiStatus, internalError, tooLarge } from "./api_status.ts";
import {
  type Change,
  type JsonObject,
  type NodeStore,
  textOf,
} from "./api_store.ts";

/** A watcher that has so many lines unread is cut off, as kube-apiserver does. */
const MOST_UNREAD = 5_000;

export interface WatchQuery {
  /** As asked: "", "0" or a version. */
  readonly resourceVersion: string;
  readonly sendInitialEvents: boolean;
  readonly bookmarks: boolean;
  /** Seconds; 0: the server's own deadline. */
  readonly timeout: number;
  readonly name: string | undefined;
}

export interface WatchOptions {
  readonly bookmarkSeconds: number;
  readonly streamedLists: boolean;
  readonly encoding: Encoding;
  readonly fault: Fault | undefined;
}

const ENCODER = new TextEncoder();

/** An event in one encoding. */
type Codec = (
  type: string,
  object: JsonObject,
  kind: "Node" | "Status",
) => Uint8Array<ArrayBuffer>;

const CODECS: Readonly<Record<Encoding, Codec>> = {
  json: (type, object) =>
    ENCODER.encode(`{"type":"${type}","object":${textOf(object)}}\n`),
  protobuf: (type, object, kind) =>
    watchFrame(
      type,
      kind === "Node" ? wrapped(kind, nodeBytes(object)) : statusBytes(object),
    ),
};

const ADDED = new WeakMap<JsonObject, Uint8Array<ArrayBuffer>>();

/** Of a list's Nodes, encoded once: a server that lists 5,000 anew answers at once. */
function addedBytes(
  node: JsonObject,
  encoding: Encoding,
): Uint8Array<ArrayBuffer> {
  if (encoding === "json") return CODECS.json("ADDED", node, "Node");
  let bytes = ADDED.get(node);
  if (bytes === undefined) {
    bytes = CODECS.protobuf("ADDED", node, "Node");
    ADDED.set(node, bytes);
  }
  return bytes;
}

const CHANGES = {
  json: new WeakMap<Change, Uint8Array<ArrayBuffer>>(),
  protobuf: new WeakMap<Change, Uint8Array<ArrayBuffer>>(),
} as const;

/** Encoded once for all that watch. */
function changeBytes(
  change: Change,
  encoding: Encoding,
): Uint8Array<ArrayBuffer> {
  let bytes = CHANGES[encoding].get(change);
  if (bytes === undefined) {
    bytes = CODECS[encoding](change.type, change.object, "Node");
    CHANGES[encoding].set(change, bytes);
  }
  return bytes;
}

/** The runtime prints it: in one line, not with a stack. */
function cutOff(): Error {
  const error = new Error();
  error.stack = "(a watch is cut off, as a test asked for)";
  return error;
}

function bookmarkObject(version: number, initialEnd: boolean): JsonObject {
  const annotations = initialEnd
    ? { annotations: { "k8s.io/initial-events-end": "true" } }
    : {};
  return {
    kind: "Node",
    apiVersion: "v1",
    metadata: {
      resourceVersion: String(version),
      creationTimestamp: null,
      ...annotations,
    },
    spec: {},
    status: {
      daemonEndpoints: { kubeletEndpoint: { Port: 0 } },
      nodeInfo: {},
    },
  };
}

/** All open watches of one server, so that it can end them. */
export class Watches {
  readonly #store: NodeStore;
  readonly #open = new Set<Watch>();

  constructor(store: NodeStore) {
    this.#store = store;
  }

  get size(): number {
    return this.#open.size;
  }

  open(
    query: WatchQuery,
    options: WatchOptions,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const watch = new Watch(this.#store, query, options);
    this.#open.add(watch);
    watch.ended.then(() => this.#open.delete(watch));
    return watch.stream;
  }

  /** End all of them: cleanly, or as a connection that breaks. */
  end(how: "eof" | "cut" = "eof"): void {
    for (const watch of [...this.#open]) watch.end(how);
  }

  /** A bookmark to all that want some. */
  bookmark(): void {
    for (const watch of this.#open) watch.bookmark();
  }
}

class Watch {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly ended: Promise<void>;
  readonly #store: NodeStore;
  readonly #query: WatchQuery;
  readonly #fault: Fault | undefined;
  readonly #encoding: Encoding;
  readonly #timers: ReturnType<typeof setTimeout>[] = [];
  #controller:
    | ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>
    | undefined;
  #resolve: () => void;
  #unsubscribe: () => void = () => {};
  #sent = 0;
  #lines = 0;
  #initialLines = 0;

  constructor(store: NodeStore, query: WatchQuery, options: WatchOptions) {
    this.#store = store;
    this.#query = query;
    this.#fault = options.fault;
    this.#encoding = options.encoding;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#resolve = resolve;
    this.stream = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
        this.#begin(options);
      },
      cancel: () => this.#release(),
    });
  }

  bookmark(): void {
    if (this.#query.bookmarks && this.#fault?.kind !== "silence") {
      this.#event("BOOKMARK", bookmarkObject(this.#store.version, false));
    }
  }

  end(how: "eof" | "cut"): void {
    const controller = this.#controller;
    this.#release();
    if (how === "cut") controller?.error(cutOff());
    else controller?.close();
  }

  #begin(options: WatchOptions): void {
    const { timeout, bookmarks } = this.#query;
    const fault = this.#fault;
    if (fault?.kind === "silence") return;
    if (fault?.kind === "error-event") {
      this.#fail(
        new ApiStatus(
          fault.code,
          fault.reason ?? "",
          fault.message ?? "asked for by a test",
          fault.details === undefined ? {} : { details: fault.details },
        ),
      );
      return;
    }
    try {
      this.#initial(options);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#unsubscribe = this.#store.subscribe((change) => {
      this.#change(change);
      const unread = -(this.#controller?.desiredSize ?? 0);
      if (unread > MOST_UNREAD + this.#initialLines) this.end("eof");
    });
    if (fault?.kind === "eof") {
      this.#timers.push(setTimeout(() => this.end("eof"), fault.milliseconds));
    }
    const seconds = timeout || 1800 * (1 + Math.random());
    this.#timers.push(setTimeout(() => {
      if (bookmarks) this.bookmark();
      this.end("eof");
    }, seconds * 1000));
    if (bookmarks) {
      this.#timers.push(
        setInterval(() => this.bookmark(), options.bookmarkSeconds * 1000),
      );
    }
  }

  #initial(options: WatchOptions): void {
    const { resourceVersion, sendInitialEvents, bookmarks } = this.#query;
    const store = this.#store;
    const lag = this.#fault?.kind === "lag" ? this.#fault.versions : 0;
    const now = Math.max(store.oldest, store.version - lag);
    if (sendInitialEvents && !options.streamedLists) {
      throw internalError(
        "a watch stream was requested by the client but the required storage feature RequestWatchProgress is disabled",
      );
    }
    const from = Number(resourceVersion || "0");
    if (sendInitialEvents || from === 0) {
      // The newest state is read from storage: a cache behind it has to say no.
      const least = resourceVersion === "" ? store.version : from;
      if (least > now) throw tooLarge(least, now);
      for (const node of store.list(now)) this.#added(node);
      if (sendInitialEvents && bookmarks) {
        this.#event("BOOKMARK", bookmarkObject(now, true));
      }
      this.#initialLines = this.#lines;
      for (const change of store.since(now)) this.#change(change);
      return;
    }
    for (const change of store.since(from)) this.#change(change);
  }

  #added(node: JsonObject): void {
    if (this.#wants(node)) this.#send(addedBytes(node, this.#encoding));
  }

  #change(change: Change): void {
    if (!this.#wants(change.object)) return;
    this.#send(changeBytes(change, this.#encoding));
  }

  #wants(node: JsonObject): boolean {
    const { name } = this.#query;
    if (name === undefined) return true;
    const { metadata } = node;
    return typeof metadata === "object" && metadata !== null &&
      "name" in metadata && metadata.name === name;
  }

  #fail(error: unknown): void {
    const status = error instanceof ApiStatus
      ? error
      : internalError(String(error));
    this.#event("ERROR", status.object(), "Status");
    this.end("eof");
  }

  #event(
    type: string,
    object: JsonObject,
    kind: "Node" | "Status" = "Node",
  ): void {
    this.#send(CODECS[this.#encoding](type, object, kind));
  }

  #send(bytes: Uint8Array<ArrayBuffer>): void {
    const controller = this.#controller;
    if (controller === undefined) return;
    if (
      this.#fault?.kind === "cut" &&
      this.#sent + bytes.length > this.#fault.bytes
    ) {
      const rest = this.#fault.bytes - this.#sent;
      if (rest > 0) controller.enqueue(bytes.slice(0, rest));
      // What was written must leave before the connection breaks.
      this.#controller = undefined;
      this.#timers.push(setTimeout(() => {
        this.#controller = controller;
        this.end("cut");
      }, 20));
      return;
    }
    this.#sent += bytes.length;
    this.#lines++;
    controller.enqueue(bytes);
  }

  #release(): void {
    this.#controller = undefined;
    this.#unsubscribe();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#resolve();
  }
}
