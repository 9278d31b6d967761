/**
 * Reading JSON that another party wrote: own properties only, wrong types are
 * as good as absent, strings are bounded and copied.
 *
 * @module
 */

/** Longer strings are cut: nothing that is used is as long as this. */
export const TEXT_LIMIT = 256;

/** An own property of an object; `undefined` of anything else. */
export function property(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.hasOwn(value, key)
    ? (value as Readonly<Record<string, unknown>>)[key]
    : undefined;
}

/** The string, cut to the limit; `undefined` for what is none. */
export function textOf(value: unknown, limit = TEXT_LIMIT): string | undefined {
  if (typeof value !== "string") return undefined;
  return value.length <= limit ? value : detached(value.slice(0, limit));
}

/** The string where it is whole; `undefined` for one that is longer. */
export function wholeText(value: unknown, limit: number): string | undefined {
  return typeof value === "string" && value.length <= limit ? value : undefined;
}

/** A finite number; `undefined` for what is none. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value)
    ? value
    : undefined;
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A copy of its own: a kept slice of a string would keep all of the string. */
function detached(text: string): string {
  return String(JSON.parse(JSON.stringify(text)));
}
