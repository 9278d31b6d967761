/**
 * RFC 6902 (JSON Patch) and RFC 7396 (JSON Merge Patch), applied: what the API
 * server of the tests does with a PATCH. The input is never changed.
 *
 * @module
 */

import {
  type Json,
  partsFromPointer,
  type PatchOp,
} from "../../mod/core/json_patch.ts";

/** A copy that may be changed. */
type Draft = null | boolean | number | string | Draft[] | Map<string, Draft>;

/**
 * @throws {SyntaxError} where an operation cannot be applied; nothing of the
 * patch is then (RFC 6902, section 5)
 */
export function applyPatch(document: Json, ops: readonly PatchOp[]): Json {
  let root = draft(document);
  for (const op of ops) root = applyOp(root, op);
  return frozen(root);
}

/** RFC 7396, section 2. */
export function applyMergePatch(target: Json, patch: Json): Json {
  return frozen(merge(draft(target), draft(patch)));
}

function applyOp(root: Draft, op: PatchOp): Draft {
  const path = partsFromPointer(op.path);
  switch (op.op) {
    case "test": {
      const found = get(root, path);
      if (!same(found, draft(op.value))) {
        throw new SyntaxError(`testing value ${op.path} failed: test failed`);
      }
      return root;
    }
    case "add":
      return add(root, path, draft(op.value));
    case "remove":
      return remove(root, path);
    case "replace":
      get(root, path);
      return path.length === 0
        ? draft(op.value)
        : add(remove(root, path), path, draft(op.value));
    case "copy":
      return add(root, path, copy(get(root, partsFromPointer(op.from))));
    case "move": {
      const from = partsFromPointer(op.from);
      if (op.path.startsWith(`${op.from}/`)) {
        throw new SyntaxError(`cannot move ${op.from} into itself`);
      }
      const value = get(root, from);
      return add(remove(root, from), path, value);
    }
  }
}

function get(root: Draft, path: readonly string[]): Draft {
  let at = root;
  for (const part of path) {
    const next = at instanceof Map
      ? at.get(part)
      : Array.isArray(at)
      ? at[index(part, at.length - 1)]
      : undefined;
    if (next === undefined) throw missing(path);
    at = next;
  }
  return at;
}

function add(root: Draft, path: readonly string[], value: Draft): Draft {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = get(root, path.slice(0, -1));
  if (parent instanceof Map) parent.set(last, value);
  else if (Array.isArray(parent)) {
    const at = last === "-" ? parent.length : index(last, parent.length);
    parent.splice(at, 0, value);
  } else throw missing(path);
  return root;
}

function remove(root: Draft, path: readonly string[]): Draft {
  const last = path.at(-1);
  if (last === undefined) return null;
  get(root, path);
  const parent = get(root, path.slice(0, -1));
  if (parent instanceof Map) parent.delete(last);
  else if (Array.isArray(parent)) parent.splice(index(last, parent.length), 1);
  return root;
}

/** RFC 6901, section 4: digits without a leading zero. */
function index(part: string, most: number): number {
  if (!/^(0|[1-9][0-9]{0,8})$/.test(part) || Number(part) > most) {
    throw new SyntaxError(`Unable to access invalid index: ${part}`);
  }
  return Number(part);
}

function missing(path: readonly string[]): SyntaxError {
  return new SyntaxError(`doc is missing path: /${path.join("/")}`);
}

function merge(target: Draft, patch: Draft): Draft {
  if (!(patch instanceof Map)) return patch;
  const result = target instanceof Map ? target : new Map<string, Draft>();
  for (const [key, value] of patch) {
    if (value === null) result.delete(key);
    else result.set(key, merge(result.get(key) ?? null, value));
  }
  return result;
}

function draft(value: Json): Draft {
  if (value === null || typeof value !== "object") return value;
  if (isList(value)) return value.map(draft);
  return new Map(
    Object.entries(value).map(([key, child]) => [key, draft(child)]),
  );
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function frozen(value: Draft): Json {
  if (Array.isArray(value)) return value.map(frozen);
  if (!(value instanceof Map)) return value;
  // fromEntries defines own properties: a key "__proto__" stays a key.
  return Object.fromEntries([...value].map(([key, v]) => [key, frozen(v)]));
}

function copy(value: Draft): Draft {
  return draft(frozen(value));
}

function same(a: Draft, b: Draft): boolean {
  if (a instanceof Map && b instanceof Map) {
    return a.size === b.size &&
      [...a].every(([key, value]) => {
        const other = b.get(key);
        return other !== undefined && same(value, other);
      });
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length &&
      a.every((value, at) => {
        const other = b[at];
        return other !== undefined && same(value, other);
      });
  }
  return a === b;
}
