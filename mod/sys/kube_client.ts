/**
 * The Node part of the Kubernetes API, as far as the agent uses it.
 *
 * A watch has connections of its own, new ones each time; all else shares
 * another set, which is given up whenever a request on it fails.
 *
 * @module
 */

import type { Clock } from "../core/clock.ts";
import type { Json, PatchOp } from "../core/json_patch.ts";
import type { ObservedNode } from "../core/node_condition.ts";
import { VERSION } from "../core/version.ts";
import {
  decodeNodePage,
  decodeObservedNode,
  decodeWatchEvent,
  type NodePage,
  type WantedFields,
  type WatchEvent,
} from "../wire/node_json.ts";
import { LineSplitter } from "../wire/watch_lines.ts";
import type { KubeAccess } from "./kube_access.ts";
import {
  ApiError,
  NetworkError,
  networkError,
  type Operation,
} from "./kube_error.ts";
import { Connection, type HttpRequest, readBody, send } from "./kube_http.ts";

export interface ListQuery {
  readonly limit: number;
  /** "": the first page. */
  readonly continueToken: string;
}

export interface WatchQuery {
  /** "": with `initialEvents`, the newest state. */
  readonly resourceVersion: string;
  /** A streamed list: the state first, then a bookmark, then the changes. */
  readonly initialEvents: boolean;
  /** Seconds after which the server ends it. */
  readonly timeoutSeconds: number;
}

export interface NodeWatch {
  /**
   * The next events, as many as have come. `undefined`: the server has ended the
   * watch cleanly, or `close()` has been called.
   *
   * @throws {NetworkError} where it breaks off
   * @throws {SyntaxError} where it is no watch any more
   */
  read(): Promise<readonly WatchEvent[] | undefined>;
  close(): void;
}

/** What the reflector needs. */
export interface NodeLister {
  listPage(query: ListQuery, signal: AbortSignal): Promise<NodePage>;
  watch(query: WatchQuery, signal: AbortSignal): Promise<NodeWatch>;
}

export interface KubeClientOptions extends WantedFields {
  readonly clock: Clock;
}

const NODES = "/api/v1/nodes";
const LIST_OPERATION: Operation = {
  what: "list Nodes",
  grant: "nodes list,watch",
};
const WATCH_OPERATION: Operation = {
  what: "watch Nodes",
  grant: "nodes list,watch",
};

/** RFC 6902, section 6. */
const JSON_PATCH = "application/json-patch+json";
/** k8s.io/apimachinery/pkg/types/patch.go */
const STRATEGIC_MERGE = "application/strategic-merge-patch+json";

interface Patch {
  readonly contentType: string;
  readonly patch: Json | readonly PatchOp[];
}

export class KubeClient implements NodeLister {
  readonly #access: KubeAccess;
  readonly #options: KubeClientOptions & { readonly userAgent: string };
  readonly #connection: Connection;
  readonly #watches = new Set<NodeWatch>();

  constructor(access: KubeAccess, options: KubeClientOptions) {
    this.#access = access;
    this.#options = { ...options, userAgent: `clusternet/${VERSION}` };
    this.#connection = new Connection(access);
  }

  /** @throws {ApiError} with status 404 where there is no such Node */
  async getNode(name: string, signal: AbortSignal): Promise<ObservedNode> {
    const operation = { what: `read Node ${name}`, grant: "nodes get" };
    const bytes = await this.#request({
      operation,
      method: "GET",
      path: `${NODES}/${encodeURIComponent(name)}`,
    }, signal);
    const node = decodeObservedNode(bytes);
    if (node === undefined) {
      throw new NetworkError(`Cannot ${operation.what}: the answer is no Node`);
    }
    return node;
  }

  async patchNodeStatus(
    name: string,
    patch: readonly PatchOp[],
    signal: AbortSignal,
  ): Promise<void> {
    await this.#patch(name, { contentType: JSON_PATCH, patch }, signal);
  }

  /** @param patch a strategic merge patch: lists of a Node merge by their keys */
  async mergeNodeStatus(
    name: string,
    patch: Json,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#patch(name, { contentType: STRATEGIC_MERGE, patch }, signal);
  }

  async #patch(
    name: string,
    { contentType, patch }: Patch,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#request({
      operation: { what: `patch Node ${name}`, grant: "nodes/status patch" },
      method: "PATCH",
      path: `${NODES}/${encodeURIComponent(name)}/status`,
      contentType,
      body: JSON.stringify(patch),
    }, signal);
  }

  /** The newest state (a quorum read), a page at a time; all pages are of one state. */
  async listPage(query: ListQuery, signal: AbortSignal): Promise<NodePage> {
    const search = new URLSearchParams({ limit: String(query.limit) });
    if (query.continueToken !== "") {
      search.set("continue", query.continueToken);
    }
    const bytes = await this.#request({
      operation: LIST_OPERATION,
      method: "GET",
      path: `${NODES}?${search}`,
    }, signal);
    return decodeNodePage(bytes, this.#options);
  }

  async watch(query: WatchQuery, signal: AbortSignal): Promise<NodeWatch> {
    const search = new URLSearchParams({
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: query.resourceVersion,
      timeoutSeconds: String(query.timeoutSeconds),
    });
    if (query.initialEvents) {
      search.set("sendInitialEvents", "true");
      search.set("resourceVersionMatch", "NotOlderThan");
    }
    const connection = new Connection(this.#access);
    try {
      const response = await send(
        {
          operation: WATCH_OPERATION,
          method: "GET",
          path: `${NODES}?${search}`,
        },
        connection,
        { ...this.#options, access: this.#access, signal },
      );
      const { server } = this.#access;
      const watch = new LineWatch(response, { ...this.#options, server });
      watch.ended.then(() => {
        connection.close();
        this.#watches.delete(watch);
      });
      this.#watches.add(watch);
      return watch;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** End all watches and give up all connections. */
  close(): void {
    for (const watch of [...this.#watches]) watch.close();
    this.#connection.close();
  }

  async #request(
    request: HttpRequest,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const options = { ...this.#options, access: this.#access, signal };
    try {
      const response = await send(request, this.#connection, options);
      return await readBody(response, options);
    } catch (error) {
      if (!(error instanceof ApiError)) this.#connection.close();
      throw error;
    }
  }
}

interface LineWatchOptions extends WantedFields {
  /** For messages. */
  readonly server: string;
}

/** A watch in JSON: an event a line. */
class LineWatch implements NodeWatch {
  /** Resolves when nothing more will come of it. */
  readonly ended: Promise<void>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #options: LineWatchOptions;
  readonly #lines = new LineSplitter();
  readonly #end: () => void;
  #closed = false;
  #error: unknown;

  constructor(response: Response, options: LineWatchOptions) {
    this.#reader = response.body?.getReader();
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#end = resolve;
  }

  async read(): Promise<readonly WatchEvent[] | undefined> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      const chunk = await this.#next();
      if (chunk === undefined) return undefined;
      const events = this.#decode(chunk);
      if (events.length > 0) return events;
    }
  }

  close(): void {
    this.#closed = true;
    this.#reader?.cancel().catch(() => {});
    this.#end();
  }

  /** What comes before a line that cannot be read still counts. */
  #decode(chunk: Uint8Array): readonly WatchEvent[] {
    const events: WatchEvent[] = [];
    try {
      for (const line of this.#lines.push(chunk)) {
        events.push(decodeWatchEvent(line, this.#options));
      }
    } catch (error) {
      this.#error = error;
      this.close();
    }
    return events;
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
      throw networkError(this.#options.server, error);
    }
  }
}
