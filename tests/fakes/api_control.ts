/**
 * `/fake/…` of the API server of the tests: what a test in the same process
 * does by method, for labs that run it as a program of its own. Not the API.
 *
 * - `GET /fake/requests`: the requests so far, by verb and resource
 * - `POST /fake/faults` (a Fault, or a list of them), `DELETE /fake/faults`
 * - `PUT /fake/nodes/NAME`: store any object under that name, past validation;
 *   `DELETE` takes it away
 * - `POST /fake/compact`, `POST /fake/skip?versions=N`, `POST /fake/bookmark`
 * - `POST /fake/end?how=eof|cut`: end all watches
 * - `POST /fake/down?seconds=N`: be away for so long, keeping the Nodes
 * - `PUT /fake/version`: what /version says; `null`: nobody may ask
 * - `PUT /fake/slow`: milliseconds that /version takes
 * - `PUT /fake/ahead`: seconds by which its clock, in the header Date, is ahead
 * - `PUT /fake/denied`: a list like `["list nodes"]` that is answered 403
 *
 * @module
 */

import type { Fault } from "./api_faults.ts";
import type { ApiServer } from "./api_server.ts";
import { noSuchPath } from "./api_status.ts";
import type { JsonObject } from "./api_store.ts";

export async function control(
  server: ApiServer,
  request: Request,
  url: URL,
): Promise<Response> {
  const [, , what, name] = url.pathname.split("/");
  const number = (key: string): number =>
    Number(url.searchParams.get(key) ?? "1");
  switch (`${request.method} ${what}`) {
    case "GET requests":
      return Response.json(countsOf(server));
    case "POST faults": {
      const faults: Fault | Fault[] = await request.json();
      server.faults.add(...[faults].flat());
      break;
    }
    case "DELETE faults":
      server.faults.clear();
      break;
    case "PUT nodes": {
      const node: JsonObject = await request.json();
      server.store.put(decodeURIComponent(name ?? ""), node, true);
      break;
    }
    case "DELETE nodes":
      server.store.delete(decodeURIComponent(name ?? ""));
      break;
    case "PUT denied":
      server.denied = await request.json();
      break;
    case "PUT ahead":
      server.aheadSeconds = await request.json();
      break;
    case "PUT slow":
      server.versionMs = await request.json();
      break;
    case "PUT version":
      server.version = await request.json() ?? undefined;
      break;
    case "POST compact":
      server.store.compact();
      break;
    case "POST skip":
      server.store.skip(number("versions"));
      break;
    case "POST bookmark":
      server.watches.bookmark();
      break;
    case "POST end":
      server.watches.end(
        url.searchParams.get("how") === "cut" ? "cut" : "eof",
      );
      break;
    case "POST down":
      setTimeout(() => void server.down("cut"), 0);
      setTimeout(() => server.listen(), number("seconds") * 1000);
      break;
    default:
      throw noSuchPath();
  }
  return new Response(null, { status: 204 });
}

function countsOf(server: ApiServer): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { verb, resource } of server.requests) {
    const key = `${verb} ${resource}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}
