/**
 * Requests to the API server of the tests: what is asked, of what, and is it
 * asked properly (ValidateListOptions() of apimachinery).
 *
 * @module
 */

import type { Json } from "../../mod/core/json_patch.ts";
import type { Verb } from "./api_faults.ts";
import type { Subresource } from "./api_nodes.ts";
import { type Encoding, PROTOBUF } from "./api_protobuf.ts";
import { ApiStatus, badRequest, invalid } from "./api_status.ts";
import type { WatchQuery } from "./api_watch.ts";

export interface Target {
  readonly verb: Verb;
  readonly name: string | undefined;
  readonly subresource: Subresource;
}

export function targetOf(method: string, url: URL): Target | undefined {
  const [, encoded, rest] =
    /^\/api\/v1\/nodes(?:\/([^/]+)(?:\/([^/]+))?)?$/.exec(url.pathname) ?? [
      undefined,
      undefined,
      "none",
    ];
  if (rest !== undefined && rest !== "status") return undefined;
  const name = encoded === undefined ? undefined : decodeURIComponent(encoded);
  const subresource = rest ?? "";
  const watch = /^(1|true)$/i.test(url.searchParams.get("watch") ?? "");
  const verbs: Readonly<Record<string, Verb | undefined>> = name === undefined
    ? { GET: watch ? "watch" : "list", POST: "create" }
    : { GET: "get", PUT: "update", PATCH: "patch", DELETE: "delete" };
  const verb = verbs[method];
  if (verb === undefined) {
    throw new ApiStatus(
      405,
      "MethodNotAllowed",
      "the server does not allow this method on the requested resource",
    );
  }
  return { verb, name, subresource };
}

/** The first of what the client takes that the server has, as it is negotiated. */
export function encodingOf(
  accept: string,
  { protobuf }: { readonly protobuf: boolean },
): Encoding {
  for (const part of accept.split(",")) {
    const [type = "", ...parameters] = part.split(";").map((one) => one.trim());
    if (parameters.some((one) => one.startsWith("as="))) continue;
    if (type === PROTOBUF && protobuf) return "protobuf";
    if (/^(application\/(json|\*)|\*\/\*)$/.test(type)) return "json";
  }
  throw new ApiStatus(
    406,
    "NotAcceptable",
    "only the following media types are accepted: application/json, application/vnd.kubernetes.protobuf",
  );
}

export async function bodyOf(request: Request): Promise<Json> {
  const text = await request.text();
  if (text === "") return null;
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw badRequest(`error decoding: ${error}`);
  }
}

/** ValidateListOptions() of apimachinery, the watch's half. */
export function watchQuery(query: URLSearchParams): WatchQuery {
  const match = query.get("resourceVersionMatch") ?? "";
  const initial = query.get("sendInitialEvents");
  const problems: string[] = [];
  if (initial !== null && match !== "NotOlderThan") {
    problems.push(
      "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
    );
  }
  if (initial === null && match !== "") {
    problems.push(
      "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
    );
  }
  if (problems.length > 0) {
    throw invalid("ListOptions.meta.k8s.io", "", problems);
  }
  const resourceVersion = query.get("resourceVersion") ?? "";
  if (!/^[0-9]*$/.test(resourceVersion)) {
    throw invalid("ListOptions", "", [
      `resourceVersion: Invalid value: "${resourceVersion}": strconv.ParseUint: invalid syntax`,
    ]);
  }
  const [, name] = /^metadata\.name={1,2}(.+)$/.exec(
    query.get("fieldSelector") ?? "",
  ) ?? [];
  return {
    resourceVersion,
    sendInitialEvents: initial === "true" || initial === "1",
    bookmarks: query.get("allowWatchBookmarks") === "true",
    timeout: Number(query.get("timeoutSeconds") ?? "0"),
    name,
  };
}
