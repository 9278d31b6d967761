/**
 * One piece of a support bundle: asked for by itself, without secrets, within
 * bounds, and named with the reason where it cannot be had.
 *
 * @module
 */

import { errorText } from "../core/errors.ts";
import { redacted } from "../core/redact.ts";

export interface Piece {
  readonly name: string;
  /** Which part of a long one counts: "first" by default. "all": it is of use as a whole only. */
  readonly keep?: "first" | "last" | "all";
  /** @throws {Error} why it cannot be had */
  text(): Promise<string>;
}

/** Characters of one piece. */
export const PIECE_LENGTH = 1024 * 1024;

/**
 * Without secrets, and only then cut. One that cannot be had says so in its
 * place.
 */
export async function textOf(
  piece: Piece,
  secrets: readonly string[],
): Promise<string> {
  try {
    return bounded(piece, redacted(await piece.text(), secrets));
  } catch (error) {
    return redacted(`(not to be had: ${errorText(error)})\n`, secrets);
  }
}

/** At whole lines, where there are any. */
function bounded({ keep = "first" }: Piece, text: string): string {
  if (keep === "all" || text.length <= PIECE_LENGTH) return text;
  const note = `(cut: ${text.length} characters)\n`;
  if (keep === "first") {
    const end = text.lastIndexOf("\n", PIECE_LENGTH - 1) + 1;
    return text.slice(0, end || PIECE_LENGTH) + note;
  }
  const start = text.length - PIECE_LENGTH;
  return note + text.slice(text.indexOf("\n", start - 1) + 1 || start);
}
