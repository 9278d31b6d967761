/**
 * What kube-apiserver does with a Node on its way into storage: defaults,
 * strategies of `nodes` and `nodes/status`, validation, no write where nothing
 * changes (k8s.io/apiserver/pkg/registry/rest, pkg/registry/core/node).
 *
 * @module
 */

import { parseAddress } from "../../mod/core/address.ts";
import type { Json, PatchOp } from "../../mod/core/json_patch.ts";
import {
  alreadyExists,
  ApiStatus,
  badRequest,
  conflict,
  internalError,
  invalid,
  notFound,
  patchRefused,
} from "./api_status.ts";
import { isObject, type JsonObject, NodeStore } from "./api_store.ts";
import { applyMergePatch, applyPatch } from "./json_patch.ts";
import { applyStrategicMerge } from "./strategic_merge.ts";

/** RFC 1123 subdomain. */
const NAME =
  /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const ANNOTATION_KEY =
  /^(?:(?=[^/]{1,253}\/)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\/)?[a-z0-9A-Z](?:[-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?$/;
const ANNOTATION_BYTES = 256 * 1024;

export type Subresource = "" | "status";

export function createNode(store: NodeStore, body: Json): JsonObject {
  if (!isObject(body)) throw badRequest("the body is no object");
  const given = isObject(body.metadata) ? body.metadata : {};
  const { name } = given;
  if (typeof name !== "string" || !NAME.test(name)) {
    throw invalid("Node", String(name ?? ""), [
      `metadata.name: Invalid value: ${
        JSON.stringify(name ?? "")
      }: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'`,
    ]);
  }
  if (given.resourceVersion !== undefined) {
    throw badRequest(
      "resourceVersion should not be set on objects to be created",
    );
  }
  if (store.get(name) !== undefined) throw alreadyExists(name);
  const node = canonical({
    ...body,
    metadata: {
      ...given,
      uid: crypto.randomUUID(),
      creationTimestamp: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
    },
  });
  check(name, node);
  return store.put(name, node);
}

export function deleteNode(store: NodeStore, name: string, body: Json): Json {
  const node = store.get(name);
  if (node === undefined) throw notFound(name);
  const uid = metadataOf(node).uid;
  const wanted = isObject(body) && isObject(body.preconditions)
    ? body.preconditions.uid
    : undefined;
  if (wanted !== undefined && wanted !== uid) {
    throw conflict(
      name,
      `Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${uid}`,
    );
  }
  store.delete(name);
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name, kind: "nodes", uid: uid ?? "" },
  };
}

/** PUT. */
export function updateNode(
  store: NodeStore,
  name: string,
  options: { readonly body: Json; readonly subresource: Subresource },
): JsonObject {
  const old = store.get(name);
  if (old === undefined) throw notFound(name);
  const { body, subresource } = options;
  if (!isObject(body)) throw badRequest("the body is no object");
  const bodyName = metadataOf(body).name;
  if (bodyName !== undefined && bodyName !== name) {
    throw badRequest(
      `the name of the object (${bodyName}) does not match the name on the URL (${name})`,
    );
  }
  return save(store, name, { old, next: body, subresource });
}

/** PATCH, by content type. */
export function patchNode(
  store: NodeStore,
  name: string,
  options: {
    readonly body: Json;
    readonly type: string;
    readonly subresource: Subresource;
  },
): JsonObject {
  const old = store.get(name);
  if (old === undefined) throw notFound(name);
  const next = patched(old, options);
  if (!isObject(next)) throw patchRefused();
  const { uid } = metadataOf(next);
  const { uid: had } = metadataOf(old);
  if (uid !== had && uid !== undefined && uid !== "") {
    throw invalid("Node", name, [
      `metadata.uid: Invalid value: ${JSON.stringify(uid)}: field is immutable`,
    ]);
  }
  return save(store, name, { old, next, subresource: options.subresource });
}

function patched(
  old: JsonObject,
  options: { readonly body: Json; readonly type: string },
): Json {
  switch (options.type) {
    case "application/json-patch+json": {
      if (!Array.isArray(options.body)) {
        throw badRequest("error decoding patch: json: cannot unmarshal");
      }
      try {
        return applyPatch(old, options.body as readonly PatchOp[]);
      } catch (error) {
        if (error instanceof ApiStatus) throw error;
        throw patchRefused();
      }
    }
    case "application/merge-patch+json":
      return applyMergePatch(old, options.body);
    case "application/strategic-merge-patch+json":
      try {
        return applyStrategicMerge(old, options.body);
      } catch (error) {
        // One of the errors that kube-apiserver does not tell apart.
        throw internalError(String(error));
      }
    default:
      throw new ApiStatus(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json",
      );
  }
}

interface Change {
  readonly old: JsonObject;
  readonly next: JsonObject;
  readonly subresource: Subresource;
}

function save(store: NodeStore, name: string, change: Change): JsonObject {
  const { old, next, subresource } = change;
  const before = metadataOf(old);
  const after = metadataOf(next);
  if (
    after.resourceVersion !== undefined && after.resourceVersion !== "" &&
    after.resourceVersion !== before.resourceVersion
  ) throw conflict(name);
  if (after.uid !== undefined && after.uid !== "" && after.uid !== before.uid) {
    throw conflict(
      name,
      `Precondition failed: UID in precondition: ${after.uid}, UID in object meta: ${before.uid}`,
    );
  }
  const node = canonical({
    ...next,
    ...(subresource === "status"
      ? { spec: old.spec ?? {} }
      : { status: old.status ?? {} }),
    metadata: {
      ...after,
      name: after.name ?? name,
      uid: before.uid ?? "",
      creationTimestamp: before.creationTimestamp ?? null,
      resourceVersion: before.resourceVersion ?? "",
    },
  });
  check(name, node, old);
  return sorted(node) === sorted(old) ? old : store.put(name, node);
}

/** As the API's own types write it: kinds, no empty maps, podCIDR beside podCIDRs. */
function canonical(node: JsonObject): JsonObject {
  const { annotations, labels, ...metadata } = metadataOf(node);
  const keep = (key: string, map: Json | undefined): JsonObject =>
    isObject(map) && Object.keys(map).length === 0 || map === null ||
      map === undefined
      ? {}
      : { [key]: map };
  const spec = isObject(node.spec) ? node.spec : {};
  const cidrs = podCidrsOf(spec);
  return {
    ...node,
    kind: "Node",
    apiVersion: "v1",
    metadata: {
      ...metadata,
      ...keep("labels", labels),
      ...keep("annotations", annotations),
    },
    spec: cidrs === undefined
      ? spec
      : { ...spec, podCIDR: cidrs[0] ?? "", podCIDRs: cidrs },
    status: isObject(node.status) ? node.status : {},
  };
}

/** Where the two fields differ, the one of before dual stack has it. */
function podCidrsOf(
  { podCIDR, podCIDRs }: JsonObject,
): readonly Json[] | undefined {
  const list = Array.isArray(podCIDRs) ? podCIDRs : [];
  const alone = typeof podCIDR === "string" && podCIDR !== "";
  if (alone && list[0] !== podCIDR) return [podCIDR];
  return list.length > 0 ? list : undefined;
}

function check(name: string, node: JsonObject, old?: JsonObject): void {
  const { name: own, annotations } = metadataOf(node);
  const problems: string[] = [];
  if (own !== name) {
    problems.push(
      `metadata.name: Invalid value: ${
        JSON.stringify(own)
      }: field is immutable`,
    );
  }
  if (annotations !== undefined) {
    problems.push(...annotationProblems(annotations));
  }
  const cidrs = podCidrs(node);
  const before = old === undefined ? [] : podCidrs(old);
  if (before.length > 0 && before.join() !== cidrs.join()) {
    problems.push(
      'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
    );
  }
  for (const [at, cidr] of cidrs.entries()) {
    if (!isCidr(cidr)) {
      problems.push(
        `spec.podCIDRs[${at}]: Invalid value: ${
          JSON.stringify(cidr)
        }: must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`,
      );
    }
  }
  const [first, second] = cidrs.map((cidr) => String(cidr).includes(":"));
  if (cidrs.length > 2 || (second !== undefined && first === second)) {
    problems.push(
      `spec.podCIDRs: Invalid value: ${
        JSON.stringify(cidrs)
      }: may specify no more than one CIDR for each IP family`,
    );
  }
  if (problems.length > 0) throw invalid("Node", name, problems);
}

function annotationProblems(annotations: Json): string[] {
  if (!isObject(annotations)) {
    throw badRequest(
      'Node in version "v1" cannot be handled as a Node: json: cannot unmarshal annotations',
    );
  }
  const problems: string[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations)) {
    if (typeof value !== "string") {
      throw badRequest(
        'Node in version "v1" cannot be handled as a Node: json: cannot unmarshal annotations',
      );
    }
    bytes += key.length + value.length;
    if (!ANNOTATION_KEY.test(key.toLowerCase())) {
      problems.push(
        `metadata.annotations: Invalid value: ${
          JSON.stringify(key)
        }: name part must consist of alphanumeric characters, '-', '_' or '.'`,
      );
    }
  }
  if (bytes > ANNOTATION_BYTES) {
    problems.push(
      `metadata.annotations: Too long: may not be more than ${ANNOTATION_BYTES} bytes`,
    );
  }
  return problems;
}

export function metadataOf(node: JsonObject): JsonObject {
  return isObject(node.metadata) ? node.metadata : {};
}

export function podCidrs(node: JsonObject): readonly Json[] {
  const spec = isObject(node.spec) ? node.spec : {};
  return Array.isArray(spec.podCIDRs) ? spec.podCIDRs : [];
}

/** Loose as `netutils.ParseCIDRSloppy`: host bits may be set. */
function isCidr(value: Json): boolean {
  const [, address, bits] = /^(.+)\/([0-9]{1,3})$/.exec(String(value)) ?? [];
  if (address === undefined || bits === undefined) return false;
  try {
    const most = parseAddress(address).includes(":") ? 128 : 32;
    return Number(bits) <= most;
  } catch {
    return false;
  }
}

/** JSON with its keys in order, to compare by. */
function sorted(value: Json): string {
  return JSON.stringify(
    value,
    (_key, child: Json) =>
      isObject(child)
        ? Object.fromEntries(
          Object.entries(child).sort(([a], [b]) => a < b ? -1 : 1),
        )
        : child,
  );
}
