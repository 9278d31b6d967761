/**
 * Text on a terminal: how wide it is, how it is cut and folded, its colour. What
 * others have written cannot move the cursor or change colours.
 *
 * @module
 */

/** How a piece of text is to look: plain, or with colour. */
export interface Paint {
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
}

export function makePaint(colour: boolean): Paint {
  const style = (code: number) => (text: string): string =>
    colour && text !== "" ? `\x1b[${code}m${text}\x1b[0m` : text;
  return {
    good: style(32),
    warn: style(33),
    bad: style(31),
    dim: style(2),
    bold: style(1),
  };
}

export const PLAIN: Paint = makePaint(false);

/**
 * Control characters, and marks that turn the direction of writing, as the sign
 * for what cannot be shown.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { shown } from "./text.ts";
 *
 * assert.equal(shown("a\x1b[31mb\nc"), "a\u{fffd}[31mb c");
 * ```
 */
export function shown(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll(
    /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    "\u{fffd}",
  );
}

/** Two columns wide: East Asian Wide and Fullwidth (UAX #11), and emoji. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

/** On the column of what stands before them. */
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]/u;

/** Columns of a terminal, without what `Paint` adds. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += widthOfOne(character);
  return width;
}

function widthOfOne(character: string): number {
  if (character >= " " && character <= "~") return 1;
  if (NO_WIDTH.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/**
 * The beginning, with "…" where that is not all.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { cut } from "./text.ts";
 *
 * assert.equal(cut("worker-17", 6), "worke…");
 * assert.equal(cut("節点一", 5), "節点…");
 * ```
 */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let left = width - 1;
  let kept = "";
  for (const character of text) {
    left -= widthOfOne(character);
    if (left < 0) break;
    kept += character;
  }
  return width < 1 ? "" : `${kept}…`;
}

export interface FoldOptions {
  /** Columns; `undefined`: as many as it takes. */
  readonly width: number | undefined;
  /** Before the first line; as many spaces stand before the others. */
  readonly lead: string;
}

/** The text in lines, broken between words; a word that is too long, within. */
export function fold(
  text: string,
  { width, lead }: FoldOptions,
): readonly string[] {
  const indent = " ".repeat(widthOf(lead));
  const room = width === undefined
    ? Infinity
    : Math.max(10, width - indent.length);
  const lines: string[] = [];
  let line = "";
  for (const word of shown(text).split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (widthOf(longer) <= room) {
      line = longer;
      continue;
    }
    if (line !== "") lines.push(line);
    const pieces = inPieces(word, room);
    line = pieces.pop() ?? "";
    lines.push(...pieces);
  }
  lines.push(line);
  return lines.map((each, at) => `${at === 0 ? lead : indent}${each}`);
}

function inPieces(word: string, room: number): string[] {
  const pieces = [""];
  let width = 0;
  for (const character of word) {
    width += widthOfOne(character);
    if (width > room) {
      pieces.push("");
      width = widthOfOne(character);
    }
    pieces[pieces.length - 1] += character;
  }
  return pieces;
}
