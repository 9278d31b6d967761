/**
 * Nodes as etcd and the watch cache keep them: one counter of versions, a
 * history to read older states and later changes from, and compaction.
 *
 * @module
 */

import type { Json } from "../../mod/core/json_patch.ts";
import { tooLarge, tooOld } from "./api_status.ts";

export type JsonObject = { readonly [key: string]: Json };

/** One change. `object` of a DELETED one is the last state, with the version of the deletion. */
export interface Change {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly name: string;
  readonly object: JsonObject;
  /** Put there by a test, past all validation: controllers leave it alone. */
  readonly raw: boolean;
}

export class NodeStore {
  readonly #limit: number;
  /** As of `#base`, and as of now; the changes between them. */
  readonly #old = new Map<string, JsonObject>();
  readonly #now = new Map<string, JsonObject>();
  readonly #changes: Change[] = [];
  readonly #listeners = new Set<(change: Change) => void>();
  #base = 1;
  #version = 1;

  /** @param options.history changes that can be read back before they are compacted */
  constructor(options: { readonly history?: number } = {}) {
    this.#limit = options.history ?? 10_000;
  }

  /** The version of the last change. */
  get version(): number {
    return this.#version;
  }

  /** The oldest version that a list or watch can still begin from. */
  get oldest(): number {
    return this.#base;
  }

  get(name: string): JsonObject | undefined {
    return this.#now.get(name);
  }

  /** All Nodes in the order of their names, as of that version (default: now). */
  list(version = this.#version): readonly JsonObject[] {
    let state: ReadonlyMap<string, JsonObject> = this.#now;
    if (version !== this.#version) {
      this.#check(version);
      const then = new Map(this.#old);
      for (const change of this.#changes) {
        if (change.version > version) break;
        replay(then, change);
      }
      state = then;
    }
    return [...state].sort(([a], [b]) => a < b ? -1 : 1).map(([, node]) =>
      node
    );
  }

  /**
   * The changes after that version.
   *
   * @throws {ApiStatus} 410 where some of them are compacted
   */
  since(version: number): readonly Change[] {
    if (version < this.#base) throw tooOld(version, this.#base);
    return this.#changes.filter((change) => change.version > version);
  }

  put(name: string, object: JsonObject, raw = false): JsonObject {
    const type = this.#now.has(name) ? "MODIFIED" : "ADDED";
    return this.#append({ type, name, object, raw });
  }

  delete(name: string): JsonObject | undefined {
    const object = this.#now.get(name);
    return object &&
      this.#append({ type: "DELETED", name, object, raw: false });
  }

  /** Forget the changes up to that version (default: all of them). */
  compact(version = this.#version): void {
    let count = 0;
    for (const change of this.#changes) {
      if (change.version > version) break;
      replay(this.#old, change);
      count++;
    }
    this.#changes.splice(0, count);
    this.#base = Math.max(this.#base, version);
  }

  /** Count on without a change, as other resources of a cluster do. */
  skip(versions: number): void {
    this.#version += versions;
  }

  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #append(what: Omit<Change, "version">): JsonObject {
    const version = ++this.#version;
    const object = withVersion(what.object, version);
    const change: Change = { ...what, version, object };
    this.#changes.push(change);
    replay(this.#now, change);
    if (this.#changes.length > this.#limit) {
      const half = this.#changes[this.#limit >> 1];
      if (half !== undefined) this.compact(half.version);
    }
    for (const listener of [...this.#listeners]) listener(change);
    return object;
  }

  #check(version: number): void {
    if (version < this.#base) throw tooOld(version, this.#base);
    if (version > this.#version) throw tooLarge(version, this.#version);
  }
}

function replay(state: Map<string, JsonObject>, change: Change): void {
  if (change.type === "DELETED") state.delete(change.name);
  else state.set(change.name, change.object);
}

function withVersion(object: JsonObject, version: number): JsonObject {
  const { metadata } = object;
  if (!isObject(metadata)) return object; // hostile, and stored as it came
  return {
    ...object,
    metadata: { ...metadata, resourceVersion: String(version) },
  };
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const TEXTS = new WeakMap<JsonObject, string>();

/** The object as JSON, made once however many read it. */
export function textOf(object: JsonObject): string {
  let text = TEXTS.get(object);
  if (text === undefined) {
    text = JSON.stringify(object);
    TEXTS.set(object, text);
  }
  return text;
}
