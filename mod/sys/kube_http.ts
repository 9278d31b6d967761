/**
 * One HTTP exchange with the API server: credentials, deadlines, limits, errors.
 *
 * HTTP/1.1 only: over HTTP/2 one flow that is silently dropped takes every other
 * request with it. `fetch` has no deadlines of its own, so each phase has one.
 *
 * @module
 */

import type { Clock } from "../core/clock.ts";
import { PROTOBUF, statusFromProtobuf } from "../wire/kube_protobuf.ts";
import { type Status, statusFromJson } from "../wire/status_json.ts";
import { type Credentials, type KubeAccess, sameTls } from "./kube_access.ts";
import {
  ApiError,
  NetworkError,
  networkError,
  type Operation,
  unreachable,
} from "./kube_error.ts";
import { unauthorizedCure } from "./kube_cure.ts";
import { Silence } from "./silence.ts";

/** Milliseconds for connecting, sending and the head of the answer. */
export const HEAD_MS = 30_000;
/** Milliseconds between two pieces of a body. */
const BODY_MS = 30_000;
/** Bytes of the longest answer: a list of some 5,000 Nodes in one piece. */
const BODY_LIMIT = 128 * 1024 * 1024;
const ERROR_BODY_LIMIT = 64 * 1024;
/** Seconds: nobody may ask for more patience than this. */
const RETRY_AFTER_LIMIT = 300;

export const JSON_TYPE = "application/json";

export interface HttpRequest {
  readonly operation: Operation;
  readonly method: "GET" | "PATCH" | "POST";
  /** Below the server's address, with its query. */
  readonly path: string;
  /** Media types of the answer. Default: JSON. */
  readonly accept?: string;
  readonly contentType?: string;
  readonly body?: string;
}

/** The runtime's client behind a request: a pool of connections of its own. */
export class Connection {
  readonly #access: KubeAccess;
  #client: Deno.HttpClient | undefined;
  #made: Credentials | undefined;

  constructor(access: KubeAccess) {
    this.#access = access;
  }

  /** A client that shows these credentials; another one where they have changed. */
  client(credentials: Credentials): Deno.HttpClient {
    if (this.#made !== undefined && !sameTls(this.#made, credentials)) {
      this.close();
    }
    this.#client ??= createClient(this.#access, credentials);
    this.#made = credentials;
    return this.#client;
  }

  /** The next request connects anew. */
  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }
}

export interface HttpOptions {
  readonly access: KubeAccess;
  readonly clock: Clock;
  readonly userAgent: string;
}

/**
 * Send a request; resolves with an answer of 2xx, whose body is still to be read.
 *
 * @throws {ApiError} for any other answer
 * @throws {NetworkError} where there is none within the deadline
 */
export async function send(
  request: HttpRequest,
  connection: Connection,
  options: HttpOptions & { readonly signal: AbortSignal },
): Promise<Response> {
  const { access } = options;
  const first = await access.credentials();
  let credentials = first;
  let response = await exchange(request, connection.client(first), {
    ...options,
    credentials,
  });
  if (response.status === 401) {
    access.expire();
    const next = await access.credentials();
    const other = !sameTls(first, next) || !sameHeader(first, next);
    if (other) {
      await response.body?.cancel();
      credentials = next;
      response = await exchange(request, connection.client(next), {
        ...options,
        credentials,
      });
    }
  }
  if (response.ok) return response;
  throw await apiError(request.operation, response, {
    ...options,
    credentials,
  });
}

/**
 * The whole body.
 *
 * @throws {NetworkError} where it breaks off, stalls or is larger than the limit
 */
export async function readBody(
  response: Response,
  options: HttpOptions & { readonly signal: AbortSignal },
  limit = BODY_LIMIT,
): Promise<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return new Uint8Array();
  const { access, clock, signal } = options;
  let stalled = false;
  const cancel = (): void => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", cancel, { once: true });
  using silence = new Silence(clock, BODY_MS, () => {
    stalled = true;
    cancel();
  });
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      silence.heard();
      parts.push(value);
      length += value.length;
      if (length > limit) throw new Error(`an answer of over ${limit} bytes`);
    }
    signal.throwIfAborted();
    if (stalled) throw new Error(`silent for ${BODY_MS / 1000} s`);
  } catch (error) {
    cancel();
    signal.throwIfAborted();
    throw networkError(access, error);
  } finally {
    signal.removeEventListener("abort", cancel);
  }
  return joined(parts, length);
}

/** Whatever was asked for, the answer says what it is. */
export function isProtobuf({ headers }: Response): boolean {
  const [type = ""] = (headers.get("content-type") ?? "").split(";");
  return type.trim().toLowerCase() === PROTOBUF;
}

async function exchange(
  request: HttpRequest,
  client: Deno.HttpClient,
  options: HttpOptions & {
    readonly signal: AbortSignal;
    readonly credentials: Credentials;
  },
): Promise<Response> {
  const { access, clock, credentials, signal } = options;
  signal.throwIfAborted();
  const abort = new AbortController();
  const forward = (): void => abort.abort(signal.reason);
  signal.addEventListener("abort", forward, { once: true });
  let late = false;
  using _deadline = new Silence(clock, HEAD_MS, () => {
    late = true;
    abort.abort();
  });
  try {
    const headers = new Headers({
      "accept": request.accept ?? JSON_TYPE,
      "user-agent": options.userAgent,
    });
    const { authorization } = credentials;
    if (authorization !== undefined) {
      headers.set("authorization", authorization.expose());
    }
    if (request.contentType !== undefined) {
      headers.set("content-type", request.contentType);
    }
    return await fetch(`${access.server}${request.path}`, {
      client,
      method: request.method,
      headers,
      redirect: "manual",
      signal: abort.signal,
      ...(request.body === undefined ? {} : { body: request.body }),
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!late) throw refusedOrAway(access, error, credentials);
    throw new NetworkError(
      `${unreachable(access)}: no answer within ${HEAD_MS / 1000} s`,
      { reason: "APIServerUnreachable" },
    );
  } finally {
    // From here on, who reads the body ends it.
    signal.removeEventListener("abort", forward);
  }
}

/** What is wrong with certificates is mended in files: they are read again. */
function refusedOrAway(
  access: KubeAccess,
  error: unknown,
  credentials: Credentials,
): NetworkError {
  const known = networkError(access, error, credentials);
  if (/certificate|fatal alert/i.test(known.detail ?? "")) access.expire();
  return known;
}

function createClient(
  access: KubeAccess,
  { caCerts, clientCert, clientKey }: Credentials,
): Deno.HttpClient {
  try {
    return Deno.createHttpClient({
      http2: false,
      caCerts: [...caCerts],
      ...(access.proxyUrl === undefined
        ? {}
        : { proxy: proxyOf(access.proxyUrl) }),
      ...(clientCert === undefined || clientKey === undefined
        ? {}
        : { cert: clientCert, key: clientKey.expose() }),
    });
  } catch (error) {
    access.expire();
    throw new NetworkError(
      `Cannot use the certificates of ${access.source}: ${
        error instanceof Error ? error.message : String(error)
      }`,
    );
  }
}

function proxyOf(
  text: string,
): { url: string; basicAuth?: { username: string; password: string } } {
  const url = new URL(text);
  const { username, password } = url;
  url.username = "";
  url.password = "";
  return username === "" ? { url: url.href } : {
    url: url.href,
    basicAuth: {
      username: decodeURIComponent(username),
      password: decodeURIComponent(password),
    },
  };
}

function sameHeader(a: Credentials, b: Credentials): boolean {
  return a.authorization === b.authorization ||
    a.authorization?.equals(b.authorization) === true;
}

async function apiError(
  operation: Operation,
  response: Response,
  options: HttpOptions & {
    readonly signal: AbortSignal;
    readonly credentials: Credentials;
  },
): Promise<ApiError> {
  const header = response.headers.get("retry-after") ?? "";
  const said = /^[0-9]{1,9}$/.test(header) ? Number(header) : undefined;
  const status = await statusOf(response, options);
  const after = said ?? status.retryAfterSeconds;
  const { access: { source }, credentials } = options;
  return new ApiError(operation, status, {
    retryAfterSeconds: after === undefined
      ? undefined
      : Math.min(after, RETRY_AFTER_LIMIT),
    cure: status.code === 401
      ? unauthorizedCure({ source, credentials, now: Date.now() })
      : undefined,
  });
}

async function statusOf(
  response: Response,
  options: HttpOptions & { readonly signal: AbortSignal },
): Promise<Status> {
  const { status: code } = response;
  let found: Status | undefined;
  try {
    const bytes = await readBody(response, options, ERROR_BODY_LIMIT);
    found = isProtobuf(response)
      ? statusFromProtobuf(bytes)
      : statusFromJson(JSON.parse(new TextDecoder().decode(bytes)));
  } catch { /* not from the API: a proxy's page, or half an answer */ }
  return found === undefined
    ? {
      code,
      reason: response.statusText,
      message: code >= 300 && code < 400
        ? "a redirect, which is not followed"
        : "",
      retryAfterSeconds: undefined,
      causes: [],
    }
    : { ...found, code };
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
