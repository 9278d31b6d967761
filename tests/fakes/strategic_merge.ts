/**
 * Strategic merge patches as far as Nodes know them: lists whose type says so are
 * merged by a key, all else as RFC 7396 does it. After
 * k8s.io/apimachinery/pkg/util/strategicpatch and the struct tags of
 * k8s.io/api/core/v1 and meta/v1. The input is never changed.
 *
 * @module
 */

import type { Json } from "../../mod/core/json_patch.ts";
import { isObject, type JsonObject } from "./api_store.ts";

/** `patchMergeKey` of the lists that have one; "": a list of plain values. */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  "status.conditions": "type",
  "status.addresses": "type",
  "metadata.ownerReferences": "uid",
  "metadata.finalizers": "",
  "spec.podCIDRs": "",
};

/** @throws {SyntaxError} where the patch is none for a Node */
export function applyStrategicMerge(target: Json, patch: Json): Json {
  return merged(target, patch, []);
}

function merged(target: Json, patch: Json, path: readonly string[]): Json {
  if (!isObject(patch)) {
    if (Array.isArray(patch)) return mergedList(target, patch, path);
    return patch;
  }
  const { $patch: directive, ...fields } = patch;
  if (directive !== undefined && directive !== "replace") {
    throw new SyntaxError(`Unknown patch type found: ${directive}`);
  }
  const base = isObject(target) && directive === undefined ? target : {};
  const result = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(fields)) {
    if (key.startsWith("$")) {
      throw new SyntaxError(`${key} is not known to the server of the tests`);
    }
    if (value === null) result.delete(key);
    else {
      const before = result.get(key) ?? null;
      result.set(key, merged(before, value, [...path, key]));
    }
  }
  return Object.fromEntries(result);
}

function mergedList(
  target: Json,
  patch: readonly Json[],
  path: readonly string[],
): Json {
  const key = MERGE_KEYS[path.join(".")];
  const before: readonly Json[] = Array.isArray(target) ? target : [];
  if (key === undefined) return patch;
  if (key === "") return [...new Set([...before, ...patch])];
  let list = [...before];
  const sameKey = (item: Json, other: JsonObject): boolean =>
    isObject(item) && item[key] === other[key];
  for (const item of patch) {
    if (!isObject(item) || item[key] === undefined) {
      throw new SyntaxError(
        `map: ${
          JSON.stringify(item)
        } does not contain declared merge key: ${key}`,
      );
    }
    if (item.$patch === "delete") {
      list = list.filter((one) => !sameKey(one, item));
      continue;
    }
    const at = list.findIndex((one) => sameKey(one, item));
    const next = merged(list[at] ?? {}, item, [...path, "*"]);
    if (at < 0) list.push(next);
    else list[at] = next;
  }
  return list;
}
