/**
 * Many names in a sentence.
 *
 * @module
 */

/**
 * The first ones, and how many more there are.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { namesText } from "./names_text.ts";
 *
 * assert.equal(namesText(["n1", "n2"], 2), "n1, n2");
 * assert.equal(namesText(["n1", "n2", "n3"], 2), "n1, n2 and 1 more");
 * ```
 */
export function namesText(names: readonly string[], most: number): string {
  const more = names.length - most;
  const some = names.slice(0, most).join(", ");
  return more > 0 ? `${some} and ${more} more` : some;
}
