/**
 * Where the fields that are used of one Node lie in its protobuf: marked by one
 * walk, from which both the fingerprint and the record are made, so that the two
 * cannot be about different things. All else is stepped over.
 *
 * Field numbers are API: generated.proto of k8s.io/api, core/v1, and of
 * k8s.io/apimachinery, pkg/apis/meta/v1.
 *
 * @module
 */

import { NODE_LIST_LIMIT, type NodeRecord } from "../core/node.ts";
import {
  MESSAGE_LIMIT,
  NETWORK_UNAVAILABLE,
  type NetworkCondition,
} from "../core/node_condition.ts";
import { Fingerprint } from "./fingerprint.ts";
import { TEXT_LIMIT } from "./json.ts";
import { NAME_LIMIT, VERSION_LIMIT, type WantedFields } from "./node_json.ts";
import { Fields, fieldSet, sameBytes, type Span, textAt } from "./protobuf.ts";

export const NODE = { metadata: 1, spec: 2, status: 3 } as const;
export const OBJECT_META = {
  name: 1,
  uid: 5,
  resourceVersion: 6,
  creationTimestamp: 8,
  annotations: 12,
} as const;
export const MAP_ENTRY = { key: 1, value: 2 } as const;
const TIME = { seconds: 1 } as const;
const SPEC = { podCIDR: 1, podCIDRs: 7 } as const;
const STATUS_OF_NODE = { conditions: 4, addresses: 5 } as const;
const ADDRESS = { type: 1, address: 2 } as const;
const CONDITION = { type: 1, status: 2, reason: 5, message: 6 } as const;

const SOME_OF_META = fieldSet(OBJECT_META);
const SOME_OF_SPEC = fieldSet(SPEC);
const SOME_OF_STATUS = fieldSet({ addresses: STATUS_OF_NODE.addresses });
const SOME_OF_OWN_STATUS = fieldSet(STATUS_OF_NODE);

const ENCODER = new TextEncoder();
const INTERNAL_IP = ENCODER.encode("InternalIP");
const UNAVAILABLE = ENCODER.encode(NETWORK_UNAVAILABLE);

/** Slots of the marks: each the start and the stop of what was last found for it. */
const NAME = 0;
const UID = 1;
const VERSION = 2;
const CREATED = 3;
const KEY = 4;
const CIDR = 5;
const STATUS = 6;
const REASON = 7;
const MESSAGE = 8;
const SLOTS = 9;

/** Of one Node after the other; keeps nothing of the last. */
export class NodeMarks {
  readonly #annotation: Uint8Array;
  readonly #ownNode: string | undefined;
  readonly #seed: number;
  /** -1: it has none. */
  readonly #starts = new Int32Array(SLOTS);
  readonly #stops = new Int32Array(SLOTS);
  /** Its InternalIPs and podCIDRs: start, stop, start, … */
  #ips: number[] = [];
  #cidrs: number[] = [];
  #bytes: Uint8Array = new Uint8Array();

  /** @param seed of the fingerprints: 32 bits */
  constructor({ annotation, ownNode }: WantedFields, seed: number) {
    this.#annotation = ENCODER.encode(annotation);
    this.#ownNode = ownNode;
    this.#seed = seed;
  }

  /**
   * Marks what is used; the parts of a Node may come in any order.
   *
   * @returns its name; `undefined`: it has none
   * @throws {SyntaxError} where the message is cut off, or none
   */
  walk(bytes: Uint8Array, span: Span): string | undefined {
    this.#bytes = bytes;
    this.#starts.fill(-1);
    this.#ips = [];
    this.#cidrs = [];
    const fields = new Fields(bytes, span.start, span.stop);
    let spec: Fields | undefined;
    let status: Fields | undefined;
    while (fields.next()) {
      if (fields.is(NODE.metadata)) this.#walkMetadata(fields.enter());
      else if (fields.is(NODE.spec)) spec = fields.enter();
      else if (fields.is(NODE.status)) status = fields.enter();
    }
    if (spec !== undefined) this.#walkSpec(spec);
    const name = this.#whole(NAME, NAME_LIMIT);
    const own = name !== undefined && name === this.#ownNode;
    if (status !== undefined) this.#walkStatus(status, own);
    return name;
  }

  #walkMetadata(fields: Fields): void {
    while (fields.next(SOME_OF_META)) {
      if (fields.is(OBJECT_META.name)) this.#mark(NAME, fields);
      else if (fields.is(OBJECT_META.uid)) this.#mark(UID, fields);
      else if (fields.is(OBJECT_META.resourceVersion)) {
        this.#mark(VERSION, fields);
      } else if (fields.is(OBJECT_META.creationTimestamp)) {
        this.#mark(CREATED, fields);
      } else if (fields.is(OBJECT_META.annotations)) {
        const entry = fields.enter();
        let wanted = false;
        let value: Span = { start: fields.stop, stop: fields.stop };
        while (entry.next()) {
          if (entry.is(MAP_ENTRY.key)) {
            wanted = sameBytes(this.#bytes, entry, this.#annotation);
            if (!wanted) break;
          } else if (entry.is(MAP_ENTRY.value)) {
            value = { start: entry.start, stop: entry.stop };
          }
        }
        if (wanted) this.#mark(KEY, value);
      }
    }
  }

  #walkSpec(fields: Fields): void {
    while (fields.next(SOME_OF_SPEC)) {
      if (fields.is(SPEC.podCIDR)) this.#mark(CIDR, fields);
      else if (fields.is(SPEC.podCIDRs)) push(this.#cidrs, fields);
    }
  }

  #walkStatus(fields: Fields, own: boolean): void {
    let found = false;
    const some = own ? SOME_OF_OWN_STATUS : SOME_OF_STATUS;
    while (fields.next(some)) {
      if (fields.is(STATUS_OF_NODE.addresses)) {
        const entry = fields.enter();
        let internal = false;
        let address: Span = { start: fields.stop, stop: fields.stop };
        while (entry.next()) {
          if (entry.is(ADDRESS.type)) {
            internal = sameBytes(this.#bytes, entry, INTERNAL_IP);
          } else if (entry.is(ADDRESS.address)) {
            address = { start: entry.start, stop: entry.stop };
          }
        }
        if (internal) push(this.#ips, address);
      } else if (own && !found && fields.is(STATUS_OF_NODE.conditions)) {
        found = this.#walkCondition(fields);
      }
    }
  }

  /** @returns is it the one that is looked for? */
  #walkCondition(fields: Fields): boolean {
    const type = fields.enter();
    let found = false;
    while (type.next()) {
      if (type.is(CONDITION.type)) {
        found = sameBytes(this.#bytes, type, UNAVAILABLE);
      }
    }
    if (!found) return false;
    const none = { start: fields.stop, stop: fields.stop };
    for (const slot of [STATUS, REASON, MESSAGE]) this.#mark(slot, none);
    const entry = fields.enter();
    while (entry.next()) {
      if (entry.is(CONDITION.status)) this.#mark(STATUS, entry);
      else if (entry.is(CONDITION.reason)) this.#mark(REASON, entry);
      else if (entry.is(CONDITION.message)) this.#mark(MESSAGE, entry);
    }
    return true;
  }

  #mark(slot: number, { start, stop }: Span): void {
    this.#starts[slot] = start;
    this.#stops[slot] = stop;
  }

  #span(slot: number): Span | undefined {
    const start = this.#starts[slot] ?? -1;
    return start < 0 ? undefined : { start, stop: this.#stops[slot] ?? start };
  }

  /** Of all that the record is made from. */
  fingerprint(): number {
    const hash = new Fingerprint(this.#seed);
    for (let slot = 0; slot < SLOTS; slot++) {
      if (slot === VERSION) continue;
      const start = this.#starts[slot] ?? -1;
      const stop = start < 0 ? start : this.#stops[slot] ?? start;
      hash.add(this.#bytes, start, stop);
    }
    for (const list of [this.#ips, this.#cidrs]) {
      hash.mix(list.length);
      for (let at = 0; at < list.length; at += 2) {
        hash.add(this.#bytes, list[at] ?? 0, list[at + 1] ?? 0);
      }
    }
    return hash.value();
  }

  record(name: string): NodeRecord {
    const cidr = this.#text(CIDR) ?? "";
    const podCidrs = this.#texts(this.#cidrs);
    const record = {
      name,
      uid: this.#text(UID) ?? "",
      created: this.#created(),
      publicKey: this.#text(KEY),
      internalIps: this.#texts(this.#ips),
      podCidrs: podCidrs.length > 0 || cidr === "" ? podCidrs : [cidr],
    };
    const networkCondition = this.#condition();
    return networkCondition === undefined
      ? record
      : { ...record, networkCondition };
  }

  #condition(): NetworkCondition | undefined {
    const status = this.#text(STATUS);
    if (status === undefined) return undefined;
    const reason = this.#text(REASON) ?? "";
    const message = this.#text(MESSAGE, MESSAGE_LIMIT + 1) ?? "";
    return { status, reason, message };
  }

  /** RFC 3339; an empty message is the zero time, in JSON null. */
  #created(): string {
    const span = this.#span(CREATED);
    if (span === undefined || span.start === span.stop) return "";
    const fields = new Fields(this.#bytes, span.start, span.stop);
    let seconds = 0;
    while (fields.next()) {
      if (fields.field === TIME.seconds) seconds = fields.integer() ?? 0;
    }
    const date = new Date(seconds * 1000);
    if (Number.isNaN(date.getTime())) return "";
    return date.toISOString().replace(".000Z", "Z");
  }

  version(): string | undefined {
    return this.#whole(VERSION, VERSION_LIMIT);
  }

  #whole(slot: number, limit: number): string | undefined {
    const span = this.#span(slot);
    return span && wholeAt(this.#bytes, span, limit);
  }

  #text(slot: number, limit = TEXT_LIMIT): string | undefined {
    const span = this.#span(slot);
    return span && textAt(this.#bytes, span, limit);
  }

  #texts(list: readonly number[]): readonly string[] {
    return Array.from({ length: list.length / 2 }, (_, at) => {
      const start = list[2 * at] ?? 0;
      const stop = list[2 * at + 1] ?? 0;
      return textAt(this.#bytes, { start, stop }, TEXT_LIMIT);
    });
  }
}

/** Lists are cut one past the limit, so that it can be told. */
function push(list: number[], { start, stop }: Span): void {
  if (list.length <= 2 * NODE_LIST_LIMIT) list.push(start, stop);
}

/** The string where it is whole and not empty. */
export function wholeAt(
  bytes: Uint8Array,
  span: Span,
  limit: number,
): string | undefined {
  const text = textAt(bytes, span, limit + 1);
  return text === "" || text.length > limit ? undefined : text;
}
