/**
 * JSON Patch (RFC 6902) and JSON Pointer (RFC 6901), as far as this program
 * writes them: the operations that put one annotation on a Node. Applying a
 * patch is the API server's job (the one of the tests has its own).
 *
 * @module
 */

/** Anything that JSON can say. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** One operation of RFC 6902, section 4; `path` and `from` are pointers. */
export type PatchOp =
  | { readonly op: "test"; readonly path: string; readonly value: Json }
  | { readonly op: "add"; readonly path: string; readonly value: Json }
  | { readonly op: "replace"; readonly path: string; readonly value: Json }
  | { readonly op: "remove"; readonly path: string }
  | { readonly op: "move"; readonly from: string; readonly path: string }
  | { readonly op: "copy"; readonly from: string; readonly path: string };

/** What must be known of a Node before one of its annotations is written. */
export interface ObservedMetadata {
  readonly uid: string;
  readonly resourceVersion: string;
  /** Absent and null mean the same: the API server leaves an empty map out. */
  readonly annotations?: Readonly<Record<string, string>> | null | undefined;
}

/** Escape one reference token: `~` as `~0`, `/` as `~1` (RFC 6901, section 3). */
export function encodeJsonRefToken(token: string): string {
  return token.replaceAll("~", "~0").replaceAll("/", "~1");
}

/**
 * The inverse of `encodeJsonRefToken()`.
 *
 * @throws {SyntaxError} where a `~` is followed by neither 0 nor 1
 */
export function decodeJsonRefToken(text: string): string {
  if (/~(?![01])/.test(text) || text.includes("/")) {
    throw new SyntaxError(`Cannot decode reference token "${text}"`);
  }
  return text.replaceAll("~1", "/").replaceAll("~0", "~");
}

/**
 * The pointer with these parts: `[]` is the whole document, `[""]` the key "".
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { pointerFromParts } from "./json_patch.ts";
 *
 * const annotation = "clusternet.dev/wg-pubkey";
 * assert.equal(
 *   pointerFromParts(["metadata", "annotations", annotation]),
 *   "/metadata/annotations/clusternet.dev~1wg-pubkey",
 * );
 * ```
 */
export function pointerFromParts(parts: readonly string[]): string {
  return parts.map((part) => `/${encodeJsonRefToken(part)}`).join("");
}

/**
 * The inverse of `pointerFromParts()`.
 *
 * @throws {SyntaxError} where the pointer is neither empty nor begins with `/`
 */
export function partsFromPointer(pointer: string): readonly string[] {
  if (pointer === "") return [];
  if (!pointer.startsWith("/")) {
    throw new SyntaxError(
      `Cannot decode pointer "${pointer}": begins with no /`,
    );
  }
  return pointer.slice(1).split("/").map(decodeJsonRefToken);
}

/**
 * The patch that sets one annotation on the Node as it was observed, and on no
 * other Node that has come by its name since (`test` of the UID).
 *
 * `add` under a map that is not there fails, and `add` of the map would replace
 * one that somebody else made meanwhile: so the map is added only where none was
 * seen, and only while the Node is still the version that was seen.
 */
export function annotationPatch(
  node: ObservedMetadata,
  key: string,
  options: { readonly value: string },
): readonly PatchOp[] {
  const ops: PatchOp[] = [
    { op: "test", path: "/metadata/uid", value: node.uid },
  ];
  if (node.annotations === undefined || node.annotations === null) {
    ops.push(
      {
        op: "test",
        path: "/metadata/resourceVersion",
        value: node.resourceVersion,
      },
      { op: "add", path: "/metadata/annotations", value: {} },
    );
  }
  ops.push({
    op: "add",
    path: pointerFromParts(["metadata", "annotations", key]),
    value: options.value,
  });
  return ops;
}
