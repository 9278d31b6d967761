/**
 * The Node part of the Kubernetes API, as far as the agent uses it.
 *
 * A watch has connections of its own, new ones each time; all else shares
 * another set, which is given up whenever a request on it fails.
 *
 * @module
 */

import type { Clock } from "../core/clock.ts";
import { EVENT_NAMESPACE } from "../core/event.ts";
import type { Json, PatchOp } from "../core/json_patch.ts";
import type { ObservedNode } from "../core/node_condition.ts";
import { VERSION } from "../core/version.ts";
import {
  decodeNodePage,
  decodeObservedNode,
  decodeWatchEvent,
  type NodePage,
  type WantedFields,
} from "../wire/node_json.ts";
import { numberOf, property, textOf } from "../wire/json.ts";
import { PROTOBUF } from "../wire/kube_protobuf.ts";
import { type Known, NodeProtobuf } from "../wire/node_protobuf.ts";
import { FrameSplitter } from "../wire/watch_frames.ts";
import { LineSplitter } from "../wire/watch_lines.ts";
import type { KubeAccess } from "./kube_access.ts";
import {
  ApiError,
  NetworkError,
  type Operation,
  shownServer,
} from "./kube_error.ts";
import {
  Connection,
  type HttpRequest,
  isProtobuf,
  JSON_TYPE,
  readBody,
  send,
} from "./kube_http.ts";
import {
  type NodeWatch,
  StreamWatch,
  type StreamWatchOptions,
} from "./node_watch.ts";

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
  /** What the reader has: events that change nothing are told from the others. */
  readonly known?: Known;
}

/** What the reflector needs. */
export interface NodeLister {
  listPage(query: ListQuery, signal: AbortSignal): Promise<NodePage>;
  watch(query: WatchQuery, signal: AbortSignal): Promise<NodeWatch>;
}

export interface KubeClientOptions extends WantedFields {
  readonly clock: Clock;
  /** Ask for nothing but JSON. Default: protobuf, where the server has it. */
  readonly json?: boolean;
}

const NODES = "/api/v1/nodes";
const EVENTS = `/apis/events.k8s.io/v1/namespaces/${EVENT_NAMESPACE}/events`;
const EVENT_OPERATION: Operation = {
  what: "write an Event",
  grant: "events.k8s.io events create,patch",
};
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
/** RFC 7386. */
const MERGE_PATCH = "application/merge-patch+json";
/** k8s.io/apimachinery/pkg/types/patch.go */
const STRATEGIC_MERGE = "application/strategic-merge-patch+json";

interface Answer {
  readonly bytes: Uint8Array;
  readonly isProtobuf: boolean;
}

type Codec = Pick<StreamWatchOptions, "split" | "decode">;

interface Patch {
  readonly contentType: string;
  readonly patch: Json | readonly PatchOp[];
}

export class KubeClient implements NodeLister {
  readonly #access: KubeAccess;
  readonly #options: KubeClientOptions & { readonly userAgent: string };
  readonly #connection: Connection;
  readonly #watches = new Set<NodeWatch>();
  readonly #protobuf: NodeProtobuf;
  readonly #accept: string;

  constructor(access: KubeAccess, options: KubeClientOptions) {
    this.#access = access;
    this.#options = { ...options, userAgent: `clusternet/${VERSION}` };
    this.#connection = new Connection(access);
    const [seed] = crypto.getRandomValues(new Uint32Array(1));
    this.#protobuf = new NodeProtobuf(options, seed);
    this.#accept = options.json === true
      ? JSON_TYPE
      : `${PROTOBUF}, ${JSON_TYPE}`;
  }

  /** For messages. */
  get server(): string {
    return shownServer(this.#access.server);
  }

  /** Like "v1.36.3"; `undefined`: it does not say. */
  async serverVersion(signal: AbortSignal): Promise<string | undefined> {
    const { bytes } = await this.#request({
      operation: { what: "read the version", grant: "get of /version" },
      method: "GET",
      path: "/version",
    }, signal);
    const answer = JSON.parse(new TextDecoder().decode(bytes));
    return textOf(property(answer, "gitVersion"));
  }

  /** @throws {ApiError} with status 404 where there is no such Node */
  async getNode(name: string, signal: AbortSignal): Promise<ObservedNode> {
    const operation = { what: `read Node ${name}`, grant: "nodes get" };
    const { bytes } = await this.#request({
      operation,
      method: "GET",
      path: `${NODES}/${encodeURIComponent(name)}`,
    }, signal);
    const node = decodeObservedNode(bytes);
    if (node === undefined) {
      throw new NetworkError(
        `Cannot ${operation.what}: the answer is no Node`,
        { reason: "APIServerTrouble" },
      );
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

  /** @returns "there": one of that name exists */
  async createEvent(
    event: Json,
    signal: AbortSignal,
  ): Promise<"made" | "there"> {
    try {
      await this.#request({
        operation: EVENT_OPERATION,
        method: "POST",
        path: EVENTS,
        contentType: JSON_TYPE,
        body: JSON.stringify(event),
      }, signal);
      return "made";
    } catch (error) {
      if (error instanceof ApiError && error.status.code === 409) {
        return "there";
      }
      throw error;
    }
  }

  /** @returns the count of its series; `undefined`: there is no such Event */
  async patchEvent(
    name: string,
    patch: Json,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    try {
      const { bytes } = await this.#request({
        operation: EVENT_OPERATION,
        method: "PATCH",
        path: `${EVENTS}/${encodeURIComponent(name)}`,
        contentType: MERGE_PATCH,
        body: JSON.stringify(patch),
      }, signal);
      const event = JSON.parse(new TextDecoder().decode(bytes));
      return numberOf(property(property(event, "series"), "count")) ?? 1;
    } catch (error) {
      if (error instanceof ApiError && error.status.code === 404) {
        return undefined;
      }
      throw error;
    }
  }

  /** The newest state (a quorum read), a page at a time; all pages are of one state. */
  async listPage(query: ListQuery, signal: AbortSignal): Promise<NodePage> {
    const search = new URLSearchParams({ limit: String(query.limit) });
    if (query.continueToken !== "") {
      search.set("continue", query.continueToken);
    }
    const { bytes, isProtobuf } = await this.#request({
      operation: LIST_OPERATION,
      method: "GET",
      path: `${NODES}?${search}`,
      accept: this.#accept,
    }, signal);
    return isProtobuf
      ? this.#protobuf.page(bytes)
      : decodeNodePage(bytes, this.#options);
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
          accept: this.#accept,
        },
        connection,
        { ...this.#options, access: this.#access, signal },
      );
      const watch = new StreamWatch(response, {
        party: this.#access,
        ...this.#codec(response, query.known),
      });
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

  #codec(response: Response, known: Known | undefined): Codec {
    if (isProtobuf(response)) {
      const frames = new FrameSplitter();
      return {
        split: (chunk) => frames.push(chunk),
        decode: (frame) => this.#protobuf.event(frame, known),
      };
    }
    const lines = new LineSplitter();
    return {
      split: (chunk) => lines.push(chunk),
      decode: (line) => decodeWatchEvent(line, this.#options),
    };
  }

  /** End all watches and give up all connections. */
  close(): void {
    for (const watch of [...this.#watches]) watch.close();
    this.#connection.close();
  }

  async #request(
    request: HttpRequest,
    signal: AbortSignal,
  ): Promise<Answer> {
    const options = { ...this.#options, access: this.#access, signal };
    try {
      const response = await send(request, this.#connection, options);
      const bytes = await readBody(response, options);
      return { bytes, isProtobuf: isProtobuf(response) };
    } catch (error) {
      if (!(error instanceof ApiError)) this.#connection.close();
      throw error;
    }
  }
}
