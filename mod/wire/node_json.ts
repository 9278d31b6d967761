/**
 * Nodes, lists of them and watch events as JSON → small records. The one place
 * where a Node is decoded; nothing of what it was decoded from is kept.
 *
 * Whatever the input, nothing is thrown from here for the sake of one Node: a
 * field of a wrong type is as good as absent, a list that is too long is cut one
 * past the limit, so that it can be told and refused (`core/candidate.ts`).
 *
 * @module
 */

import type { ObservedMetadata } from "../core/json_patch.ts";
import { NODE_LIST_LIMIT, type NodeRecord } from "../core/node.ts";
import {
  MESSAGE_LIMIT,
  NETWORK_UNAVAILABLE,
  type ObservedCondition,
  type ObservedNode,
} from "../core/node_condition.ts";
import { listOf, property, TEXT_LIMIT, textOf, wholeText } from "./json.ts";
import { type Status, statusFromJson } from "./status_json.ts";

/** What is taken of Nodes, beside what always is. */
export interface WantedFields {
  /** Key of the annotation with the public key. */
  readonly annotation: string;
  /** Name of our own Node, whose condition is taken too; `undefined`: that of none. */
  readonly ownNode?: string | undefined;
}

export type WatchEvent =
  /** ADDED or MODIFIED: a reader treats them alike. */
  | {
    readonly kind: "upsert";
    readonly node: NodeRecord;
    readonly resourceVersion: string | undefined;
    /** Of what the record is made from; absent: from JSON. */
    readonly fingerprint?: number;
  }
  /** ADDED or MODIFIED, and the reader has this record already. */
  | {
    readonly kind: "unchanged";
    readonly name: string;
    readonly resourceVersion: string | undefined;
  }
  | {
    readonly kind: "remove";
    readonly name: string;
    readonly resourceVersion: string | undefined;
  }
  | {
    readonly kind: "bookmark";
    readonly resourceVersion: string | undefined;
    /** The last of a streamed list's initial events. */
    readonly initialEnd: boolean;
  }
  | { readonly kind: "error"; readonly status: Status }
  /** JSON, but no event about a Node: it is passed over. */
  | { readonly kind: "unknown"; readonly why: string };

export interface NodePage {
  readonly nodes: readonly NodeRecord[];
  readonly resourceVersion: string;
  /** Empty: this was the last page. */
  readonly continueToken: string;
}

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists */
export const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

/** A Node's name is a DNS subdomain. */
export const NAME_LIMIT = 253;
/** An opaque string: whole or not at all. */
export const VERSION_LIMIT = 256;
export const CONTINUE_LIMIT = 8192;

const DECODER = new TextDecoder();

/**
 * One Node.
 *
 * @returns `undefined` for what has no name
 */
export function nodeFromJson(
  value: unknown,
  { annotation, ownNode }: WantedFields,
): NodeRecord | undefined {
  const metadata = property(value, "metadata");
  const name = nameOf(metadata);
  if (name === undefined) return undefined;
  const record = {
    name,
    uid: textOf(property(metadata, "uid")) ?? "",
    created: textOf(property(metadata, "creationTimestamp")) ?? "",
    publicKey: textOf(property(property(metadata, "annotations"), annotation)),
    internalIps: internalIps(property(value, "status")),
    podCidrs: podCidrs(property(value, "spec")),
  };
  if (name !== ownNode) return record;
  const found = networkCondition(property(value, "status"));
  if (found === undefined) return record;
  const { status, reason, message } = found;
  return { ...record, networkCondition: { status, reason, message } };
}

/**
 * What must be known of our own Node before it is patched.
 *
 * @returns `undefined` for bytes that are no Node
 */
export function decodeObservedNode(
  bytes: Uint8Array,
): ObservedNode | undefined {
  const value = parse(bytes);
  const metadata = observedMetadata(property(value, "metadata"));
  if (metadata === undefined) return undefined;
  const condition = networkCondition(property(value, "status"));
  return { ...metadata, networkCondition: condition };
}

function observedMetadata(metadata: unknown): ObservedMetadata | undefined {
  const uid = wholeText(property(metadata, "uid"), TEXT_LIMIT);
  const resourceVersion = versionOf(metadata);
  if (uid === undefined || resourceVersion === undefined) return undefined;
  const annotations = property(metadata, "annotations");
  if (typeof annotations !== "object" || annotations === null) {
    return { uid, resourceVersion };
  }
  const texts = Object.entries(annotations).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return { uid, resourceVersion, annotations: Object.fromEntries(texts) };
}

/**
 * A page of a NodeList.
 *
 * @throws {SyntaxError} for what is no list with a version: half a list is none
 */
export function decodeNodePage(
  bytes: Uint8Array,
  wanted: WantedFields,
): NodePage {
  const value = parse(bytes);
  const metadata = property(value, "metadata");
  const resourceVersion = versionOf(metadata);
  const items = property(value, "items");
  const next = property(metadata, "continue") ?? "";
  const continueToken = wholeText(next, CONTINUE_LIMIT);
  const isList = Array.isArray(items) || items === null; // null: none
  if (!isList || resourceVersion === undefined || continueToken === undefined) {
    throw new SyntaxError("Cannot read the list of Nodes: it is no NodeList");
  }
  const nodes = listOf(items).flatMap((item) =>
    nodeFromJson(item, wanted) ?? []
  );
  return { nodes, resourceVersion, continueToken };
}

/**
 * One line of a watch.
 *
 * @throws {SyntaxError} where it is not JSON: the stream cannot be trusted any more
 */
export function decodeWatchEvent(
  bytes: Uint8Array,
  wanted: WantedFields,
): WatchEvent {
  const value = parse(bytes);
  if (value === undefined) {
    throw new SyntaxError(
      `Cannot read the watch of Nodes: a line of ${bytes.length} bytes is not JSON`,
    );
  }
  const type = property(value, "type");
  const object = property(value, "object");
  const metadata = property(object, "metadata");
  const resourceVersion = versionOf(metadata);
  switch (type) {
    case "ADDED":
    case "MODIFIED": {
      const node = nodeFromJson(object, wanted);
      return node === undefined
        ? { kind: "unknown", why: `${type} of something without a name` }
        : { kind: "upsert", node, resourceVersion };
    }
    case "DELETED": {
      const name = nameOf(metadata);
      return name === undefined
        ? { kind: "unknown", why: "DELETED of something without a name" }
        : { kind: "remove", name, resourceVersion };
    }
    case "BOOKMARK": {
      const annotations = property(metadata, "annotations");
      const initialEnd = property(annotations, INITIAL_EVENTS_END) === "true";
      return { kind: "bookmark", resourceVersion, initialEnd };
    }
    case "ERROR":
      return { kind: "error", status: statusFromJson(object) ?? NO_STATUS };
    default:
      return { kind: "unknown", why: "an event of no known type" };
  }
}

export const NO_STATUS: Status = {
  code: 0,
  reason: "",
  message: "an error event without a Status",
  retryAfterSeconds: undefined,
  causes: [],
};

/** @returns `undefined` for what is not JSON */
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(DECODER.decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) {
      return undefined;
    }
    throw error;
  }
}

function nameOf(metadata: unknown): string | undefined {
  const name = wholeText(property(metadata, "name"), NAME_LIMIT);
  return name === "" ? undefined : name;
}

function versionOf(metadata: unknown): string | undefined {
  const version = wholeText(
    property(metadata, "resourceVersion"),
    VERSION_LIMIT,
  );
  return version === "" ? undefined : version;
}

function internalIps(status: unknown): readonly string[] {
  const found: string[] = [];
  for (const entry of listOf(property(status, "addresses"))) {
    if (property(entry, "type") !== "InternalIP") continue;
    const address = textOf(property(entry, "address"));
    if (address !== undefined) found.push(address);
    if (found.length > NODE_LIST_LIMIT) break;
  }
  return exact(found);
}

function podCidrs(spec: unknown): readonly string[] {
  const found: string[] = [];
  for (const entry of listOf(property(spec, "podCIDRs"))) {
    const cidr = textOf(entry);
    if (cidr !== undefined) found.push(cidr);
    if (found.length > NODE_LIST_LIMIT) break;
  }
  if (found.length > 0) return exact(found);
  const only = textOf(property(spec, "podCIDR"));
  return only === undefined || only === "" ? [] : [only];
}

/** The first condition of that type; one that is too long to be ours is cut. */
function networkCondition(status: unknown): ObservedCondition | undefined {
  for (const entry of listOf(property(status, "conditions"))) {
    if (property(entry, "type") !== NETWORK_UNAVAILABLE) continue;
    const text = (key: string, limit?: number): string =>
      textOf(property(entry, key), limit) ?? "";
    return {
      status: text("status"),
      reason: text("reason"),
      message: text("message", MESSAGE_LIMIT + 1),
      lastTransitionTime: text("lastTransitionTime"),
    };
  }
  return undefined;
}

/** A list that was added to has room for 17 items; one that is kept need not. */
function exact<T>(found: readonly T[]): readonly T[] {
  return found.slice();
}
