/**
 * LIST of the API server of the tests: whole or in pages, at the version that
 * was asked for (ValidateListOptions() and continue.go of k8s.io/apiserver).
 *
 * @module
 */

import {
  badRequest,
  continueExpired,
  invalid,
  tooLarge,
  tooOld,
} from "./api_status.ts";
import {
  isObject,
  type JsonObject,
  type NodeStore,
  textOf,
} from "./api_store.ts";

/** A continue token in the clear. */
interface Continue {
  readonly v: "meta.k8s.io/v1";
  /** -1: whatever is the newest state, consistent or not. */
  readonly rv: number;
  readonly start: string;
}

/**
 * @param lag versions that this server is behind, where it may be
 * @throws {ApiStatus} 400, 410, 422, 504
 */
export function listNodes(
  store: NodeStore,
  query: URLSearchParams,
  lag: number,
): JsonList {
  check(query);
  const limit = Number(query.get("limit") ?? "0");
  const token = query.get("continue") ?? "";
  const from = token === "" ? undefined : decodeContinue(token);
  const version = from === undefined
    ? startVersion(store, query, lag)
    : from.rv === -1
    ? store.version
    : from.rv;
  if (from !== undefined && version < store.oldest) {
    throw continueExpired(encodeContinue({ ...from, rv: -1 }));
  }
  const all = selected(store.list(version), query);
  const begin = from?.start ?? "";
  const rest = all.filter((node) => nameOf(node) >= begin);
  const page = limit > 0 ? rest.slice(0, limit) : rest;
  const left = rest.length - page.length;
  const last = page.at(-1);
  const metadata: JsonObject = {
    resourceVersion: String(version),
    ...(left === 0 || last === undefined ? {} : {
      continue: encodeContinue({
        v: "meta.k8s.io/v1",
        rv: version,
        start: `${nameOf(last)}\0`,
      }),
      remainingItemCount: left,
    }),
  };
  return { metadata, items: page };
}

/** A NodeList. */
export interface JsonList {
  readonly metadata: JsonObject;
  readonly items: readonly JsonObject[];
}

export function listText({ metadata, items }: JsonList): string {
  return `{"kind":"NodeList","apiVersion":"v1","metadata":${
    JSON.stringify(metadata)
  },"items":[${items.map(item).join(",")}]}\n`;
}

function startVersion(
  store: NodeStore,
  query: URLSearchParams,
  lag: number,
): number {
  const asked = query.get("resourceVersion") ?? "";
  const behind = Math.max(store.oldest, store.version - lag);
  if (asked === "") return store.version; // a quorum read
  if (asked === "0") return behind;
  const version = Number(asked);
  const exact = query.get("resourceVersionMatch") === "Exact" ||
    // without a match, but with a limit: exact, for history's sake
    (!query.has("resourceVersionMatch") && Number(query.get("limit")) > 0);
  if (version > behind) throw tooLarge(version, behind);
  if (!exact) return behind;
  if (version < store.oldest) throw tooOld(version, store.oldest);
  return version;
}

function check(query: URLSearchParams): void {
  const version = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  const problems: string[] = [];
  if (!/^[0-9]*$/.test(version)) {
    problems.push(
      `resourceVersion: Invalid value: "${version}": strconv.ParseUint: invalid syntax`,
    );
  }
  if (match !== "" && version === "") {
    problems.push(
      "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
    );
  }
  if (query.has("sendInitialEvents")) {
    problems.push(
      "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
    );
  }
  if (problems.length > 0) {
    throw invalid("ListOptions.meta.k8s.io", "", problems);
  }
  if (query.get("continue") && version !== "" && version !== "0") {
    throw badRequest(
      "specifying resource version is not allowed when using continue",
    );
  }
  if (query.has("labelSelector")) {
    throw badRequest("this API server of the tests has no label selectors");
  }
}

function selected(
  nodes: readonly JsonObject[],
  query: URLSearchParams,
): readonly JsonObject[] {
  const selector = query.get("fieldSelector") ?? "";
  if (selector === "") return nodes;
  const [, name] = /^metadata\.name={1,2}([^,]+)$/.exec(selector) ?? [];
  if (name === undefined) {
    throw badRequest(`"${selector}" is not a known field selector`);
  }
  return nodes.filter((node) => nameOf(node) === name);
}

function nameOf(node: JsonObject): string {
  return isObject(node.metadata) ? String(node.metadata.name) : "";
}

/** Items of a list carry no kind of their own. */
function item(node: JsonObject): string {
  return textOf(node).replace(/^\{"kind":"Node","apiVersion":"v1",/, "{");
}

function encodeContinue(token: Continue): string {
  return btoa(JSON.stringify(token)).replaceAll("+", "-").replaceAll("/", "_")
    .replaceAll("=", "");
}

function decodeContinue(text: string): Continue {
  try {
    const token: Partial<Continue> = JSON.parse(
      atob(text.replaceAll("-", "+").replaceAll("_", "/")),
    );
    if (token.v === "meta.k8s.io/v1" && token.rv && token.start) {
      return { v: token.v, rv: token.rv, start: token.start };
    }
  } catch { /* said below */ }
  throw badRequest("continue key is not valid");
}
