/**
 * Nodes, lists of them and watch events as protobuf → the same small records as
 * `node_json.ts` makes of JSON. One walk marks where the fields that are used lie;
 * a fingerprint of those bytes tells whether anything is new. Only then is a
 * string made of any of them: a kubelet's report costs the walk.
 *
 * Whatever the input, nothing is thrown for the sake of one Node, and an event
 * whose object cannot be read is passed over.
 *
 * @module
 */

import type { NodeRecord } from "../core/node.ts";
import { TEXT_LIMIT } from "./json.ts";
import { statusFromProtobuf, unwrap } from "./kube_protobuf.ts";
import {
  CONTINUE_LIMIT,
  INITIAL_EVENTS_END,
  NO_STATUS,
  type NodePage,
  VERSION_LIMIT,
  type WantedFields,
  type WatchEvent,
} from "./node_json.ts";
import {
  MAP_ENTRY,
  NODE,
  NodeMarks,
  OBJECT_META,
  wholeAt,
} from "./node_marks.ts";
import { Fields, sameBytes, type Span, textAt } from "./protobuf.ts";

const WATCH_EVENT = { type: 1, object: 2 } as const;
const RAW_EXTENSION = { raw: 1 } as const;
const LIST = { metadata: 1, items: 2 } as const;
const LIST_META = { resourceVersion: 2, continue: 3 } as const;

/** What a reader has of a Node, and by which bytes. */
export interface Known {
  /** Of the record that it holds of this Node; `undefined`: of none that came this way. */
  fingerprint(name: string): number | undefined;
}

const NOTHING_KNOWN: Known = { fingerprint: () => undefined };

/** Decodes for one reader; keeps nothing of what it has read. */
export class NodeProtobuf {
  readonly #marks: NodeMarks;

  /** @param seed of the fingerprints: 32 bits that nobody outside knows */
  constructor(wanted: WantedFields, seed = 0) {
    this.#marks = new NodeMarks(wanted, seed);
  }

  /**
   * One Node, not wrapped.
   *
   * @returns `undefined` for what has no name
   * @throws {SyntaxError} where the message is cut off, or none
   */
  node(bytes: Uint8Array, span: Span = wholeOf(bytes)): NodeRecord | undefined {
    const name = this.#marks.walk(bytes, span);
    return name === undefined ? undefined : this.#marks.record(name);
  }

  /**
   * A page of a NodeList.
   *
   * @throws {SyntaxError} for what is no list with a version: half a list is none
   */
  page(bytes: Uint8Array): NodePage {
    const list = unwrap(bytes, wholeOf(bytes));
    const fields = new Fields(bytes, list.start, list.stop);
    const nodes: NodeRecord[] = [];
    let metadata = NO_LIST_META;
    while (fields.next()) {
      if (fields.is(LIST.metadata)) metadata = readListMeta(fields.enter());
      else if (fields.is(LIST.items)) {
        const node = this.#item(bytes, fields);
        if (node !== undefined) nodes.push(node);
      }
    }
    const { resourceVersion, continueToken } = metadata;
    if (
      list.kind !== "NodeList" || resourceVersion === undefined ||
      continueToken === undefined
    ) {
      throw new SyntaxError("Cannot read the list of Nodes: it is no NodeList");
    }
    return { nodes, resourceVersion, continueToken };
  }

  /**
   * One frame of a watch. A Node that is as `known` has it makes an event
   * "unchanged".
   *
   * @throws {SyntaxError} where it is no event: the stream cannot be trusted any more
   */
  event(frame: Uint8Array, known: Known = NOTHING_KNOWN): WatchEvent {
    const fields = new Fields(frame);
    let type = "";
    let object: Span | undefined;
    while (fields.next()) {
      if (fields.is(WATCH_EVENT.type)) type = textAt(frame, fields, TEXT_LIMIT);
      else if (fields.is(WATCH_EVENT.object)) {
        const extension = fields.enter();
        while (extension.next()) {
          if (!extension.is(RAW_EXTENSION.raw)) continue;
          object = { start: extension.start, stop: extension.stop };
        }
      }
    }
    if (object === undefined) {
      return { kind: "unknown", why: "an event without an object" };
    }
    if (type === "ERROR") {
      const status = statusFromProtobuf(frame, object) ?? NO_STATUS;
      return { kind: "error", status };
    }
    try {
      return this.#nodeEvent(type, frame, { object, known });
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return { kind: "unknown", why: `${type} of a Node that cannot be read` };
    }
  }

  #nodeEvent(
    type: string,
    frame: Uint8Array,
    { object, known }: { readonly object: Span; readonly known: Known },
  ): WatchEvent {
    const node = unwrap(frame, object);
    if (node.kind !== "Node") {
      return { kind: "unknown", why: `${type} of something that is no Node` };
    }
    if (type === "BOOKMARK") return bookmark(frame, node);
    const name = this.#marks.walk(frame, node);
    const resourceVersion = this.#marks.version();
    if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") {
      return { kind: "unknown", why: "an event of no known type" };
    }
    if (name === undefined) {
      return { kind: "unknown", why: `${type} of something without a name` };
    }
    if (type === "DELETED") return { kind: "remove", name, resourceVersion };
    const fingerprint = this.#marks.fingerprint();
    if (known.fingerprint(name) === fingerprint) {
      return { kind: "unchanged", name, resourceVersion };
    }
    const record = this.#marks.record(name);
    return { kind: "upsert", node: record, resourceVersion, fingerprint };
  }

  #item(bytes: Uint8Array, span: Span): NodeRecord | undefined {
    try {
      return this.node(bytes, span);
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }
}

const ENCODER = new TextEncoder();
const INITIAL_END = ENCODER.encode(INITIAL_EVENTS_END);
const TRUE = ENCODER.encode("true");

function bookmark(bytes: Uint8Array, node: Span): WatchEvent {
  let resourceVersion: string | undefined;
  let initialEnd = false;
  const fields = new Fields(bytes, node.start, node.stop);
  while (fields.next()) {
    if (!fields.is(NODE.metadata)) continue;
    const metadata = fields.enter();
    while (metadata.next()) {
      if (metadata.is(OBJECT_META.resourceVersion)) {
        resourceVersion = wholeAt(bytes, metadata, VERSION_LIMIT);
      } else if (metadata.is(OBJECT_META.annotations)) {
        const entry = metadata.enter();
        let ends = false;
        while (entry.next()) {
          if (entry.is(MAP_ENTRY.key)) {
            ends = sameBytes(bytes, entry, INITIAL_END);
          } else if (entry.is(MAP_ENTRY.value) && ends) {
            initialEnd = sameBytes(bytes, entry, TRUE);
          }
        }
      }
    }
  }
  return { kind: "bookmark", resourceVersion, initialEnd };
}

interface ListMeta {
  readonly resourceVersion: string | undefined;
  /** `undefined`: longer than any. */
  readonly continueToken: string | undefined;
}

const NO_LIST_META: ListMeta = {
  resourceVersion: undefined,
  continueToken: "",
};

function readListMeta(fields: Fields): ListMeta {
  const { bytes } = fields;
  let { resourceVersion, continueToken } = NO_LIST_META;
  while (fields.next()) {
    if (fields.is(LIST_META.resourceVersion)) {
      resourceVersion = wholeAt(bytes, fields, VERSION_LIMIT);
    } else if (fields.is(LIST_META.continue)) {
      continueToken = fields.start === fields.stop
        ? ""
        : wholeAt(bytes, fields, CONTINUE_LIMIT);
    }
  }
  return { resourceVersion, continueToken };
}

function wholeOf(bytes: Uint8Array): Span {
  return { start: 0, stop: bytes.length };
}
