/**
 * Events of events.k8s.io/v1 in the namespace `default`: what kube-apiserver takes
 * of them (ValidateEventCreate(), ValidateEventUpdate()), and what it does not.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import type { Json } from "../../mod/core/json_patch.ts";
import { bodyOf } from "./api_request.ts";
import { ApiStatus, invalid } from "./api_status.ts";
import { isObject, type JsonObject } from "./api_store.ts";

export const EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events";

const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const MICRO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

export class EventStore {
  /** By name, as they are now. */
  readonly events = new Map<string, JsonObject>();
  /** Requests that would change something, in order. */
  readonly writes: string[] = [];
  /** What comes of the next requests instead, as long as there is one. */
  failure: ApiStatus | undefined;

  create(event: Json): JsonObject {
    this.writes.push("create");
    if (this.failure !== undefined) throw this.failure;
    if (!isObject(event) || !isObject(event.metadata ?? null)) {
      throw invalid("Event", "", ["metadata: Required value"]);
    }
    const { name } = event.metadata as JsonObject;
    refuse(String(name), problemsOf(event, String(name)));
    if (this.events.has(String(name))) {
      throw new ApiStatus(
        409,
        "AlreadyExists",
        `events.events.k8s.io "${name}" already exists`,
      );
    }
    this.events.set(String(name), event);
    return event;
  }

  /** By a merge patch (RFC 7386) of which only the series may change anything. */
  patch(name: string, patch: Json): JsonObject {
    this.writes.push("patch");
    if (this.failure !== undefined) throw this.failure;
    const before = this.events.get(name);
    if (before === undefined) {
      throw new ApiStatus(
        404,
        "NotFound",
        `events.events.k8s.io "${name}" not found`,
      );
    }
    const { series, ...rest } = isObject(patch) ? patch : {};
    const after = { ...before, ...rest };
    if (!isDeepStrictEqual(after, before)) {
      refuse(name, ["note: Invalid value: field is immutable"]);
    }
    const next = series === undefined ? before : { ...before, series };
    refuse(name, problemsOf(next, name));
    this.events.set(name, next);
    return next;
  }

  /** Over HTTP. `undefined`: it is for somebody else. */
  async answer(request: Request, url: URL): Promise<Response | undefined> {
    if (!url.pathname.startsWith(EVENTS)) return undefined;
    const name = decodeURIComponent(url.pathname.slice(EVENTS.length + 1));
    if (name === "" && request.method === "POST") {
      return Response.json(this.create(await bodyOf(request)), { status: 201 });
    }
    if (name === "" && request.method === "GET") {
      const items = [...this.events.values()];
      return Response.json({ kind: "EventList", items });
    }
    const type = request.headers.get("content-type");
    if (
      request.method === "PATCH" && type === "application/merge-patch+json"
    ) {
      return Response.json(this.patch(name, await bodyOf(request)));
    }
    throw new ApiStatus(405, "MethodNotAllowed", "not allowed");
  }
}

function refuse(name: string, problems: readonly string[]): void {
  if (problems.length > 0) throw invalid("Event", name, problems);
}

function problemsOf(event: JsonObject, name: string): readonly string[] {
  const bytes = (value: Json | undefined): number =>
    typeof value === "string" ? new TextEncoder().encode(value).length : 0;
  const metadata = event.metadata as JsonObject;
  const regarding = isObject(event.regarding ?? null)
    ? event.regarding as JsonObject
    : {};
  const rows: readonly (readonly [boolean, string])[] = [
    [NAME.test(name) && name.length <= 253, "metadata.name"],
    [metadata.namespace === "default", "regarding.namespace"],
    [regarding.kind === "Node", "regarding.kind"],
    [typeof regarding.uid === "string", "regarding.uid"],
    [MICRO_TIME.test(String(event.eventTime)), "eventTime"],
    [/^(Normal|Warning)$/.test(String(event.type)), "type"],
    [within(bytes(event.reason), 128), "reason"],
    [within(bytes(event.action), 128), "action"],
    [bytes(event.note) <= 1024, "note"],
    [within(bytes(event.reportingInstance), 128), "reportingInstance"],
    [within(bytes(event.reportingController), 63), "reportingController"],
    [seriesIsGood(event.series), "series"],
  ];
  return rows.flatMap(([good, field]) =>
    good ? [] : [`${field}: Invalid value: "asked by a test"`]
  );
}

function within(bytes: number, most: number): boolean {
  return bytes > 0 && bytes <= most;
}

function seriesIsGood(series: Json | undefined): boolean {
  if (series === undefined) return true;
  return isObject(series) && typeof series.count === "number" &&
    series.count >= 2 && MICRO_TIME.test(String(series.lastObservedTime));
}
