/**
 * Kubernetes Events (events.k8s.io/v1) about our own Node.
 *
 * An Event's name follows from what it says. So the same said again, by this
 * process or by one after it, is the same object with a series that counts, and
 * not one more object in the API server's memory. Of an Event that is there
 * nothing but the series can change.
 *
 * @module
 */

import type { Json } from "./json_patch.ts";

/** A Node has no namespace: what is about it has to lie here (ValidateEvent() of kube-apiserver). */
export const EVENT_NAMESPACE = "default";

/** Bytes of a note that the API server takes (k8s.io/kubernetes/pkg/apis/core/validation/events.go). */
export const NOTE_LIMIT = 1024;
/** Bytes of `reportingInstance`, there too. */
const INSTANCE_LIMIT = 128;
/** What an object's name has room for beside the hash; a Node's may be as long as the whole. */
const NAME_LIMIT = 200;

export interface Told {
  readonly type: "Normal" | "Warning";
  /** CamelCase. */
  readonly reason: string;
  /** A sentence, with the cure. */
  readonly note: string;
}

/** Our own Node. */
export interface Regarded {
  readonly name: string;
  readonly uid: string;
}

/** The same for the same said of the same Node, whoever asks. */
export function eventName(node: Regarded, told: Told): string {
  const text = [node.uid, told.type, told.reason, told.note].join("\n");
  const name = node.name.slice(0, NAME_LIMIT).replace(/[.-]+$/, "");
  return `${name}.${fingerprint(text)}`;
}

/** @param at milliseconds since 1970 */
export function eventObject(node: Regarded, told: Told, at: number): Json {
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: eventName(node, told), namespace: EVENT_NAMESPACE },
    eventTime: microTime(at),
    type: told.type,
    reason: told.reason,
    action: "Connecting",
    note: shortened(told.note, NOTE_LIMIT),
    regarding: {
      apiVersion: "v1",
      kind: "Node",
      name: node.name,
      uid: node.uid,
    },
    reportingController: "clusternet",
    reportingInstance: shortened(node.name, INSTANCE_LIMIT),
  };
}

/** A merge patch. @param count how often it has been said, this time included: at least twice */
export function seriesPatch(count: number, at: number): Json {
  return { series: { count, lastObservedTime: microTime(at) } };
}

/** metav1.MicroTime. */
function microTime(at: number): string {
  return new Date(at).toISOString().replace(/Z$/, "000Z");
}

/** At most so many bytes of UTF-8, whole characters. */
function shortened(text: string, limit: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= limit) return text.toWellFormed();
  // As of a stream: a character that is not whole stays out.
  const stream = { stream: true };
  const cut = new TextDecoder().decode(bytes.subarray(0, limit - 3), stream);
  return `${cut}…`;
}

/** FNV-1a, 64 bits: nobody gains by two sentences with the same one. */
function fingerprint(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, "0");
}
