/**
 * The API server of the tests as a program in the underlay's namespace, with a
 * door for the lab: a Unix socket, which no network namespace holds back.
 * `POST /lab/down` and `POST /lab/up` there take the server away and back, with
 * its Nodes kept, `POST /lab/token` makes another token the one that counts;
 * everything else is handed on. With certificates and a token
 * it is a server as pods know it; the door needs neither.
 *
 *     deno run -A tests/lab/api_main.ts --host 192.168.78.1 --port 6443 --socket /run/lab/api.sock
 *
 * @module
 */

import { parseArgs } from "node:util";
import { ApiServer } from "../fakes/api_server.ts";

const { values } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "6443" },
    socket: { type: "string", default: "" },
    "tls-cert": { type: "string" },
    "tls-key": { type: "string" },
    "tls-ca": { type: "string" },
    /** TOKEN=USER */
    token: { type: "string" },
  },
});

function textOf(file: string | undefined): string {
  return file === undefined ? "" : Deno.readTextFileSync(file);
}

const secure = values["tls-cert"] !== undefined;
let [token = "", user = ""] = values.token?.split("=") ?? [];
const client = Deno.createHttpClient(
  secure ? { caCerts: [textOf(values["tls-ca"])] } : {},
);

const server = ApiServer.start({
  hostname: values.host,
  port: Number(values.port),
  ...(secure
    ? {
      tls: { cert: textOf(values["tls-cert"]), key: textOf(values["tls-key"]) },
      tokens: new Map([[token, user]]),
    }
    : {}),
});

async function door(request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  switch (`${request.method} ${pathname}`) {
    case "POST /lab/down":
      await server.down("cut");
      return new Response("{}");
    case "POST /lab/up":
      server.listen();
      return new Response("{}");
    case "POST /lab/token":
      token = await request.json();
      server.tokens = new Map([[token, user]]);
      return new Response("{}");
  }
  const hasBody = request.method !== "GET" && request.method !== "HEAD";
  return await fetch(`${server.url}${pathname}${search}`, {
    method: request.method,
    headers: {
      "content-type": request.headers.get("content-type") ?? "",
      ...(secure ? { authorization: `Bearer ${token}` } : {}),
    },
    client,
    ...(hasBody ? { body: await request.text() } : {}),
    signal: request.signal,
  });
}

Deno.serve({ path: values.socket, onListen: () => {} }, door);
