/**
 * The API server of the tests in protobuf: Nodes, lists, Status and the frames of
 * a watch, by the field numbers of generated.proto (k8s.io/api core/v1,
 * k8s.io/apimachinery meta/v1 and runtime, v1.36).
 *
 * @module
 */

import type { Json } from "../../mod/core/json_patch.ts";
import type { JsonList } from "./api_list.ts";
import type { JsonObject } from "./api_store.ts";
import { objectOf, ProtobufWriter } from "./protobuf_writer.ts";

export type Encoding = "json" | "protobuf";

export const PROTOBUF = "application/vnd.kubernetes.protobuf";

const MAGIC = new TextEncoder().encode("k8s\0");

/** runtime.Unknown behind its magic. */
export function wrapped(
  kind: string,
  raw: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const unknown = new ProtobufWriter()
    .message(1, (meta) => meta.text(1, "v1").text(2, kind))
    .blob(2, raw)
    .text(3, "")
    .text(4, "")
    .bytes();
  const all = new Uint8Array(MAGIC.length + unknown.length);
  all.set(MAGIC);
  all.set(unknown, MAGIC.length);
  return all;
}

/** One frame of a watch. */
export function watchFrame(
  type: string,
  object: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const event = new ProtobufWriter()
    .text(1, type)
    .message(2, (extension) => extension.blob(1, object))
    .bytes();
  const frame = new Uint8Array(4 + event.length);
  new DataView(frame.buffer).setUint32(0, event.length);
  frame.set(event, 4);
  return frame;
}

const NODES = new WeakMap<JsonObject, Uint8Array<ArrayBuffer>>();

/** The Node as protobuf, made once however many read it; not wrapped. */
export function nodeBytes(node: JsonObject): Uint8Array<ArrayBuffer> {
  let bytes = NODES.get(node);
  if (bytes === undefined) {
    bytes = new ProtobufWriter()
      .message(1, (inner) => writeMetadata(inner, objectOf(node.metadata)))
      .message(2, (inner) => writeSpec(inner, objectOf(node.spec)))
      .message(3, (inner) => writeStatus(inner, objectOf(node.status)))
      .bytes();
    NODES.set(node, bytes);
  }
  return bytes;
}

/** A NodeList as its JSON says. */
export function listBytes(
  { metadata, items }: JsonList,
): Uint8Array<ArrayBuffer> {
  const writer = new ProtobufWriter()
    .message(1, (inner) => writeListMeta(inner, metadata));
  for (const item of items) writer.blob(2, nodeBytes(item));
  return wrapped("NodeList", writer.bytes());
}

/** A `metav1.Status` as its JSON says. */
export function statusBytes(status: JsonObject): Uint8Array<ArrayBuffer> {
  const writer = new ProtobufWriter()
    .message(1, (inner) => writeListMeta(inner, objectOf(status.metadata)))
    .text(2, status.status)
    .text(3, status.message)
    .text(4, status.reason);
  if (status.details !== undefined) {
    const details = objectOf(status.details);
    writer.message(5, (inner) =>
      inner
        .text(1, details.name)
        .text(2, details.group)
        .text(3, details.kind)
        .messages(4, details.causes, (cause, item) =>
          cause.text(1, item.reason).text(2, item.message).text(3, item.field))
        .integer(5, details.retryAfterSeconds)
        .text(6, details.uid));
  }
  return wrapped("Status", writer.integer(6, status.code).bytes());
}

function writeListMeta(out: ProtobufWriter, metadata: JsonObject): void {
  out.text(1, "").text(2, metadata.resourceVersion).text(3, metadata.continue);
  if (metadata.remainingItemCount !== undefined) {
    out.integer(4, metadata.remainingItemCount);
  }
}

function writeMetadata(out: ProtobufWriter, metadata: JsonObject): void {
  out
    .text(1, metadata.name)
    .text(2, metadata.generateName)
    .text(3, metadata.namespace)
    .text(4, "")
    .text(5, metadata.uid)
    .text(6, metadata.resourceVersion)
    .integer(7, metadata.generation)
    .time(8, metadata.creationTimestamp);
  if (metadata.deletionTimestamp !== undefined) {
    out
      .time(9, metadata.deletionTimestamp)
      .integer(10, metadata.deletionGracePeriodSeconds);
  }
  out
    .map(11, metadata.labels)
    .map(12, metadata.annotations)
    .messages(13, metadata.ownerReferences, (inner, item) =>
      inner
        .text(1, item.kind)
        .text(3, item.name)
        .text(4, item.uid)
        .text(5, item.apiVersion))
    .texts(14, metadata.finalizers)
    .messages(17, metadata.managedFields, (inner, item) =>
      inner
        .text(1, item.manager)
        .text(2, item.operation)
        .text(3, item.apiVersion)
        .time(4, item.time)
        .text(6, item.fieldsType)
        .message(7, (fields) =>
          fields.text(1, JSON.stringify(item.fieldsV1 ?? {})))
        .text(8, item.subresource));
}

function writeSpec(out: ProtobufWriter, spec: JsonObject): void {
  out
    .text(1, spec.podCIDR)
    .text(2, "")
    .text(3, spec.providerID)
    .flag(4, spec.unschedulable)
    .messages(
      5,
      spec.taints,
      (inner, item) => {
        inner.text(1, item.key).text(2, item.value).text(3, item.effect);
        if (item.timeAdded !== undefined) inner.time(4, item.timeAdded);
      },
    )
    .texts(7, spec.podCIDRs);
}

function quantity(out: ProtobufWriter, value: Json): void {
  out.message(2, (inner) => inner.text(1, value));
}

const NODE_INFO = [
  "machineID",
  "systemUUID",
  "bootID",
  "kernelVersion",
  "osImage",
  "containerRuntimeVersion",
  "kubeletVersion",
  "kubeProxyVersion",
  "operatingSystem",
  "architecture",
];

function writeStatus(out: ProtobufWriter, status: JsonObject): void {
  const { kubeletEndpoint } = objectOf(status.daemonEndpoints);
  const info = objectOf(status.nodeInfo);
  out
    .map(1, status.capacity, quantity)
    .map(2, status.allocatable, quantity)
    .text(3, status.phase)
    .messages(4, status.conditions, (inner, item) =>
      inner
        .text(1, item.type)
        .text(2, item.status)
        .time(3, item.lastHeartbeatTime)
        .time(4, item.lastTransitionTime)
        .text(5, item.reason)
        .text(6, item.message))
    .messages(
      5,
      status.addresses,
      (inner, item) => inner.text(1, item.type).text(2, item.address),
    )
    .message(
      6,
      (endpoints) =>
        endpoints.message(
          1,
          (port) => port.integer(1, objectOf(kubeletEndpoint).Port),
        ),
    )
    .message(7, (inner) => {
      for (const [at, key] of NODE_INFO.entries()) {
        inner.text(at + 1, info[key]);
      }
    })
    .messages(
      8,
      status.images,
      (inner, item) => inner.texts(1, item.names).integer(2, item.sizeBytes),
    )
    .texts(9, status.volumesInUse)
    .messages(
      10,
      status.volumesAttached,
      (inner, item) => inner.text(1, item.name).text(2, item.devicePath),
    );
}
