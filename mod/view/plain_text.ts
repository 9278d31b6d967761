/**
 * Text that came from outside (names of Nodes, reasons) made fit to be shown:
 * nothing in it moves the cursor, turns the line around or ends a quotation.
 *
 * @module
 */

/**
 * Control characters, line and paragraph separators, what turns the direction
 * (UAX #9), what has no width, halves of pairs, and what XML cannot hold.
 */
const UNFIT =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/**
 * ```ts
 * import assert from "node:assert/strict";
 * import { plainText } from "./plain_text.ts";
 *
 * assert.equal(plainText("a\u202eb\nc"), "a\ufffdb\ufffdc");
 * ```
 */
export function plainText(text: string): string {
  return text.replaceAll(UNFIT, "\ufffd");
}

/** At most so many characters; what falls out is in the middle, where names differ least. */
export function shortened(text: string, length: number): string {
  const letters = [...text];
  if (letters.length <= length) return text;
  const tail = Math.floor((length - 1) / 2);
  const head = length - 1 - tail;
  return `${letters.slice(0, head).join("")}…${letters.slice(-tail).join("")}`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** For text and for attributes. */
export function xmlText(text: string): string {
  return plainText(text).replaceAll(/[&<>"']/g, (sign) => ENTITIES[sign] ?? "");
}
