/**
 * A client of the API server for tests, as an administrator or as anybody else:
 * JSON over HTTPS, answers as they come.
 *
 * @module
 */

import { eventually } from "../lab/harness.ts";

export interface Identity {
  /** PEM. */
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

// What an API server answers has as many shapes as it has objects.
// deno-lint-ignore no-explicit-any
export type KubeObject = any;

export interface KubeAnswer {
  readonly status: number;
  readonly body: KubeObject;
}

export interface CallOptions {
  readonly body?: unknown;
  /** Media type of the body. */
  readonly type?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal;
}

export const STRATEGIC_MERGE = "application/strategic-merge-patch+json";
export const MERGE = "application/merge-patch+json";
export const JSON_PATCH = "application/json-patch+json";

export class KubeApi implements Disposable {
  readonly url: string;
  readonly #identity: Identity;
  #client: Deno.HttpClient;

  constructor(url: string, identity: Identity) {
    this.url = url;
    this.#identity = identity;
    this.#client = clientOf(identity);
  }

  /** The answer, whatever its status. Rejects where there is none. */
  async call(
    method: string,
    path: string,
    options: CallOptions = {},
  ): Promise<KubeAnswer> {
    const response = await this.open(method, path, options);
    const text = await response.text();
    try {
      return { status: response.status, body: JSON.parse(text) };
    } catch {
      return { status: response.status, body: text }; // "ok" of /readyz
    }
  }

  /** The response as it begins; its body is the caller's to read or cancel. */
  async open(
    method: string,
    path: string,
    options: CallOptions = {},
  ): Promise<Response> {
    const { body, accept = "application/json", signal } = options;
    const { token } = this.#identity;
    const headers = new Headers({ accept });
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    if (body !== undefined) {
      headers.set("content-type", options.type ?? "application/json");
    }
    return await fetch(`${this.url}${path}`, {
      method,
      headers,
      client: this.#client,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** @throws {Error} with the server's words, where the answer is none of success */
  async must(
    method: string,
    path: string,
    options: CallOptions = {},
  ): Promise<KubeObject> {
    const { status, body } = await this.call(method, path, options);
    if (status >= 200 && status < 300) return body;
    throw new Error(
      `Cannot ${method} ${path}: ${status}: ${body?.message ?? body}`,
    );
  }

  get(path: string): Promise<KubeObject> {
    return this.must("GET", path);
  }

  create(path: string, body: unknown): Promise<KubeObject> {
    return this.must("POST", path, { body });
  }

  delete(path: string): Promise<KubeObject> {
    return this.must("DELETE", path);
  }

  patch(
    path: string,
    body: unknown,
    type: string = STRATEGIC_MERGE,
  ): Promise<KubeObject> {
    return this.must("PATCH", path, { body, type });
  }

  /**
   * The object, once `look` accepts it; one that is not there yet is waited for.
   * @throws {Error} after `withinMs`
   */
  async until(
    path: string,
    look: (object: KubeObject) => boolean,
    options: { readonly what: string; readonly withinMs?: number },
  ): Promise<KubeObject> {
    return await eventually(options.what, async () => {
      const { status, body } = await this.call("GET", path);
      return status === 200 && look(body) ? body : undefined;
    }, options.withinMs ?? 30_000);
  }

  /** The server has been started anew: connections to the old one are of no use. */
  reconnect(): void {
    this.#client.close();
    this.#client = clientOf(this.#identity);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

function clientOf({ ca, cert, key }: Identity): Deno.HttpClient {
  const own = cert === undefined || key === undefined ? {} : { cert, key };
  return Deno.createHttpClient({ caCerts: [ca], http2: false, ...own });
}

/** The node's condition of that type. `undefined`: none. */
export function conditionOf(
  node: KubeObject,
  type: string,
):
  | {
    readonly status: string;
    readonly reason: string;
    readonly message: string;
  }
  | undefined {
  return node.status?.conditions?.find((each: { type: string }) =>
    each.type === type
  );
}

/** Is it Ready, as nodes and pods say it? */
export function isReady(object: KubeObject): boolean {
  return conditionOf(object, "Ready")?.status === "True";
}
