/**
 * An API server by which programs run in pods: their list in pages, and exec over
 * a WebSocket as the kubelet speaks it. Nodes are those of an `ApiServer` behind it.
 *
 * @module
 */

import { CHANNEL_PROTOCOLS, END, STDOUT } from "../../mod/wire/kube_channel.ts";
import type { ApiServer } from "./api_server.ts";
import type { JsonObject } from "./api_store.ts";

/** Bytes that a kubelet hands on at once. */
const PIECE_BYTES = 32 * 1024;

export interface ExecServerOptions {
  readonly api: ApiServer;
  /** In the order of the list. */
  readonly pods: readonly JsonObject[];
  /** What that command prints in that pod; `undefined`: its kubelet is away. */
  answer(pod: string, command: readonly string[]): Uint8Array | undefined;
}

export class ExecServer implements AsyncDisposable {
  readonly #options: ExecServerOptions;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #running = 0;
  /** Programs since the start, and at once. */
  started = 0;
  most = 0;

  constructor(options: ExecServerOptions) {
    this.#options = options;
    this.#server = Deno.serve({
      ...{ hostname: "127.0.0.1", port: 0, onListen: () => {} },
    }, (request) => this.#serve(request));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #serve(request: Request): Promise<Response> {
    const { pathname, search, searchParams } = new URL(request.url);
    if (pathname === "/api/v1/pods") return this.#list(searchParams);
    const [, pod] = /\/pods\/([^/]+)\/exec$/.exec(pathname) ?? [];
    if (pod !== undefined) return this.#exec(request, pod);
    const { api } = this.#options;
    const { headers, method } = request;
    return await fetch(`${api.url}${pathname}${search}`, { headers, method });
  }

  #list(query: URLSearchParams): Response {
    const from = Number(query.get("continue") ?? 0);
    const to = from + Number(query.get("limit") ?? Infinity);
    const { pods } = this.#options;
    return Response.json({
      kind: "PodList",
      metadata: to < pods.length ? { continue: String(to) } : {},
      items: pods.slice(from, to),
    });
  }

  #exec(request: Request, pod: string): Response {
    const upgrade = request.headers.get("upgrade") !== null;
    const { searchParams } = new URL(request.url);
    const output = this.#options.answer(pod, searchParams.getAll("command"));
    if (!upgrade || output === undefined) {
      const code = upgrade ? 500 : 400;
      return Response.json({ kind: "Status", code }, { status: code });
    }
    const [protocol = ""] = CHANNEL_PROTOCOLS;
    const { response, socket } = Deno.upgradeWebSocket(request, { protocol });
    this.started++;
    this.most = Math.max(this.most, ++this.#running);
    socket.onopen = () => {
      for (let at = 0; at < output.length; at += PIECE_BYTES) {
        socket.send(framed(STDOUT, output.subarray(at, at + PIECE_BYTES)));
      }
      const end = JSON.stringify({ kind: "Status", status: "Success" });
      socket.send(framed(END, new TextEncoder().encode(end)));
      this.#running--;
      socket.close();
    };
    return response;
  }
}

function framed(channel: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(bytes.length + 1);
  message[0] = channel;
  message.set(bytes, 1);
  return message;
}
