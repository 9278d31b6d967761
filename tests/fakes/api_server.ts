/**
 * The Node part of the Kubernetes API over real HTTP: what kube-apiserver does
 * for a network agent, in one process without etcd, and on request what it does
 * on a bad day (`faults`). In JSON, and in protobuf for who takes it.
 *
 * Beside the API there is `/fake/…` for labs that run it as a program: see
 * `api_control.ts`.
 *
 * @module
 */

import type { Prefix } from "../../mod/core/address.ts";
import { control } from "./api_control.ts";
import { type Fault, Faults, type Verb } from "./api_faults.ts";
import { EVENTS, EventStore } from "./api_events.ts";
import { listNodes, listText } from "./api_list.ts";
import { createNode, deleteNode, patchNode, updateNode } from "./api_nodes.ts";
import {
  bodyOf,
  encodingOf,
  type Target,
  targetOf,
  watchQuery,
} from "./api_request.ts";
import {
  type Encoding,
  listBytes,
  nodeBytes,
  PROTOBUF,
  wrapped,
} from "./api_protobuf.ts";
import {
  ApiStatus,
  badRequest,
  forbidden,
  internalError,
  noSuchPath,
  notFound,
  tooLargeForm,
  unauthorized,
} from "./api_status.ts";
import { type JsonObject, NodeStore, textOf } from "./api_store.ts";
import { Watches } from "./api_watch.ts";
import { ACCESS_REVIEWS, reviewed } from "./api_reviews.ts";
import { allocateNodeCidrs } from "./node_ipam.ts";

export interface ApiServerOptions {
  readonly hostname?: string;
  /** 0: any free one. */
  readonly port?: number;
  /** PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Bearer tokens and the users that they belong to; none: all may enter. */
  readonly tokens?: ReadonlyMap<string, string>;
  /** A user who may do nothing. */
  readonly powerless?: string;
  /** Where given, each Node gets its podCIDRs from these. */
  readonly clusterCidrs?: readonly Prefix[];
  readonly nodeMaskSize4?: number;
  readonly nodeMaskSize6?: number;
  /** Seconds between bookmarks. Default 60. */
  readonly bookmarkSeconds?: number;
  /** `false`: as with an etcd that cannot report progress. */
  readonly streamedLists?: boolean;
  /** `false`: JSON alone. */
  readonly protobuf?: boolean;
  /** Changes that are kept to resume from. Default 10,000. */
  readonly history?: number;
}

/** One request as it came, for tests to count. */
export interface ApiRequest {
  readonly verb: Verb;
  readonly resource: "nodes" | "nodes/status";
  readonly search: string;
  readonly userAgent: string;
  readonly token: string | undefined;
  /** Port of the client's end: tells connections apart. */
  readonly clientPort: number;
  /** Milliseconds, `performance.now()`. */
  readonly at: number;
}

export class ApiServer {
  readonly store: NodeStore;
  readonly events = new EventStore();
  readonly faults = new Faults();
  readonly watches: Watches;
  /** Every request to the API since the start (or since a test emptied it). */
  readonly requests: ApiRequest[] = [];
  /** May be changed while it runs. */
  tokens: ReadonlyMap<string, string> | undefined;
  /** Seconds by which the clock of `/version` is ahead. */
  aheadSeconds = 0;
  /** Milliseconds that `/version` takes. */
  versionMs = 0;
  /** What nobody may do, like "list nodes" or "patch nodes/status". */
  denied: readonly string[] = [];
  streamedLists: boolean;
  /** What /version says; `undefined`: nobody may ask. */
  version: string | undefined = "v1.36.3";
  /** May be changed while it runs. */
  protobuf: boolean;
  readonly #options: ApiServerOptions;
  readonly #stopIpam: () => void;
  readonly #hanging = new Set<(answer: Response) => void>();
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  #port: number;

  constructor(options: ApiServerOptions = {}) {
    this.#options = options;
    this.#port = options.port ?? 0;
    this.tokens = options.tokens;
    this.streamedLists = options.streamedLists ?? true;
    this.protobuf = options.protobuf ?? true;
    this.store = new NodeStore(
      options.history === undefined ? {} : { history: options.history },
    );
    this.watches = new Watches(this.store);
    const { clusterCidrs, nodeMaskSize4, nodeMaskSize6 } = options;
    this.#stopIpam = clusterCidrs === undefined
      ? (): void => {}
      : allocateNodeCidrs(this.store, {
        clusterCidrs,
        ...(nodeMaskSize4 === undefined ? {} : { maskSize4: nodeMaskSize4 }),
        ...(nodeMaskSize6 === undefined ? {} : { maskSize6: nodeMaskSize6 }),
      });
  }

  /** A server that listens. */
  static start(options: ApiServerOptions = {}): ApiServer {
    const server = new ApiServer(options);
    server.listen();
    return server;
  }

  get url(): string {
    const scheme = this.#options.tls === undefined ? "http" : "https";
    const host = this.#options.hostname ?? "127.0.0.1";
    const text = host.includes(":") ? `[${host}]` : host;
    return `${scheme}://${text}:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** Listen (again: on the same port, with the same Nodes). */
  listen(): void {
    if (this.#server !== undefined) return;
    this.#server = Deno.serve(
      {
        hostname: this.#options.hostname ?? "127.0.0.1",
        port: this.#port,
        onListen: () => {},
        ...this.#options.tls,
      },
      (request, info) => this.#handle(request, info.remoteAddr.port),
    );
    this.#port = this.#server.addr.port;
  }

  /** Stop listening and end what is open; the Nodes stay. */
  async down(how: "eof" | "cut" = "eof"): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = server?.shutdown();
    this.watches.end(how);
    const gone = new Response(null, { status: 503 });
    for (const answer of this.#hanging) answer(gone.clone());
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopIpam();
    await this.down();
  }

  /** Count of requests of these verbs. */
  count(...verbs: readonly Verb[]): number {
    return this.requests.filter(({ verb }) => verbs.includes(verb)).length;
  }

  async #handle(request: Request, clientPort: number): Promise<Response> {
    let encoding: Encoding = "json";
    try {
      const url = new URL(request.url);
      if (/^\/(healthz|livez|readyz)$/.test(url.pathname)) {
        return new Response("ok");
      }
      if (url.pathname === "/version") {
        await new Promise((resolve) => setTimeout(resolve, this.versionMs));
        return this.#sayVersion();
      }
      if (url.pathname.startsWith("/fake/")) {
        return await control(this, request, url);
      }
      if (url.pathname === ACCESS_REVIEWS && request.method === "POST") {
        return Response.json(reviewed(await request.json(), this.denied), {
          status: 201,
        });
      }
      if (url.pathname.startsWith(EVENTS)) {
        return await this.#event(request, url);
      }
      encoding = encodingOf(request.headers.get("accept") ?? "*/*", this);
      return await this.#api(request, url, { clientPort, encoding });
    } catch (error) {
      if (error instanceof ApiStatus) return error.response(encoding);
      return internalError(String(error)).response(encoding);
    }
  }

  async #event(request: Request, url: URL): Promise<Response> {
    const verb = request.method === "POST" ? "create" : "patch";
    if (this.denied.includes(`${verb} events`)) {
      throw forbidden("system:admin", verb, "events");
    }
    return await this.events.answer(request, url) ?? noSuchPath().response();
  }

  #sayVersion(): Response {
    const { version } = this;
    if (version === undefined) {
      return new Response("Forbidden", { status: 403 });
    }
    const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
    const date = new Date(Date.now() + this.aheadSeconds * 1_000);
    return Response.json({ major, minor, gitVersion: version }, {
      headers: { date: date.toUTCString() },
    });
  }

  async #api(
    request: Request,
    url: URL,
    { clientPort, encoding }: Call,
  ): Promise<Response> {
    const [, bearer] =
      /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
    const user = this.tokens === undefined
      ? "system:admin"
      : this.tokens.get(bearer ?? "");
    const target = targetOf(request.method, url);
    if (target === undefined) {
      throw user === undefined ? unauthorized() : noSuchPath();
    }
    const { verb, subresource } = target;
    const resource = subresource === "status" ? "nodes/status" : "nodes";
    this.requests.push({
      verb,
      resource,
      search: url.search,
      userAgent: request.headers.get("user-agent") ?? "",
      token: bearer,
      clientPort,
      at: performance.now(),
    });
    const fault = this.faults.take(verb, url);
    const wrong = await this.#fail(fault);
    if (wrong !== undefined) return wrong;
    if (user === undefined) throw unauthorized();
    const powerless = user === this.#options.powerless;
    if (powerless || this.denied.includes(`${verb} ${resource}`)) {
      throw forbidden(user, verb, resource);
    }
    return verb === "list" || verb === "watch"
      ? this.#collection(verb, url, { encoding, fault })
      : await this.#object(request, target, { encoding, url });
  }

  #collection(
    verb: "list" | "watch",
    url: URL,
    options: {
      readonly encoding: Encoding;
      readonly fault: Fault | undefined;
    },
  ): Response {
    const { encoding, fault } = options;
    if (verb === "list") {
      const lag = fault?.kind === "lag" ? fault.versions : 0;
      const list = listNodes(this.store, url.searchParams, lag);
      return encoding === "json"
        ? jsonText(listText(list))
        : new Response(listBytes(list), { headers: headersOf(PROTOBUF) });
    }
    const stream = this.watches.open(watchQuery(url.searchParams), {
      bookmarkSeconds: this.#options.bookmarkSeconds ?? 60,
      streamedLists: this.streamedLists,
      encoding,
      fault,
    });
    const type = encoding === "json"
      ? "application/json"
      : `${PROTOBUF};stream=watch`;
    return new Response(stream, { headers: headersOf(type) });
  }

  async #object(
    request: Request,
    target: Target,
    { encoding, url }: { readonly encoding: Encoding; readonly url: URL },
  ): Promise<Response> {
    const { verb, name = "", subresource } = target;
    const object = (node: JsonObject, status = 200): Response =>
      answer(node, { encoding, status });
    switch (verb) {
      case "get": {
        const node = this.store.get(name);
        if (node === undefined) throw notFound(name);
        return object(node);
      }
      case "create":
        return object(createNode(this.store, await bodyOf(request)), 201);
      case "delete":
        return jsonText(
          JSON.stringify(deleteNode(this.store, name, await bodyOf(request))),
        );
      case "update":
        return object(
          updateNode(this.store, name, {
            body: await bodyOf(request),
            subresource,
          }),
        );
      case "patch": {
        const [type = ""] = (request.headers.get("content-type") ?? "").split(
          ";",
        );
        const body = await bodyOf(request);
        return object(patchNode(this.store, name, { body, type, subresource }));
      }
      case "list":
      case "watch":
        throw badRequest(`${verb} of ${url.pathname}`);
    }
  }

  /** Answer as the fault wants; `undefined`: it does not concern the answer's head. */
  async #fail(fault: Fault | undefined): Promise<Response | undefined> {
    switch (fault?.kind) {
      case "status": {
        const { code, reason = "", message = "asked for by a test" } = fault;
        const { retryAfter } = fault;
        throw new ApiStatus(
          code,
          reason,
          message,
          retryAfter === undefined ? {} : { retryAfter },
        );
      }
      case "too-large":
        throw tooLargeForm(fault.form, this.store.version);
      case "hang": {
        const { promise, resolve } = Promise.withResolvers<Response>();
        this.#hanging.add(resolve);
        return await promise;
      }
      case "slow": {
        const { promise, resolve } = Promise.withResolvers<void>();
        setTimeout(resolve, fault.milliseconds);
        await promise;
        return undefined;
      }
      case "body":
        return new Response(repeated(fault.text, fault.repeat ?? 1), {
          headers: JSON_HEADERS,
        });
      case "compact":
        this.store.compact();
        return undefined;
      case "lag":
      case "error-event":
      case "silence":
      case "eof":
      case "cut":
      case undefined:
        return undefined;
    }
  }
}

/** How a request came and how it is to be answered. */
interface Call {
  readonly clientPort: number;
  readonly encoding: Encoding;
}

function headersOf(type: string): Record<string, string> {
  return { "content-type": type, "cache-control": "no-cache, private" };
}

const JSON_HEADERS = headersOf("application/json");

function jsonText(text: string, status = 200): Response {
  return new Response(text, { status, headers: JSON_HEADERS });
}

function answer(
  node: JsonObject,
  { encoding, status }: {
    readonly encoding: Encoding;
    readonly status: number;
  },
): Response {
  if (encoding === "json") return jsonText(textOf(node), status);
  const bytes = wrapped("Node", nodeBytes(node));
  return new Response(bytes, { status, headers: headersOf(PROTOBUF) });
}

function repeated(
  text: string,
  times: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const bytes = new TextEncoder().encode(text);
  let left = times;
  return new ReadableStream({
    pull(controller): void {
      if (left-- > 0) controller.enqueue(bytes.slice());
      else controller.close();
    },
  });
}
