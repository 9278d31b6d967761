/**
 * What the state file says: which format lies in the state directory, and which
 * version wrote it. A later version may change what lies there and count the
 * format up; an older one then knows that it must keep its hands off.
 *
 * Promised for all times, so that every version can read every other's: a JSON
 * object of at most 64 KiB with a whole number `format` from 1 and a text
 * `writtenBy`. Other keys are the later version's business.
 *
 * @module
 */

import { z } from "zod";

/** What this version writes and reads. 1: one private key, as `wg genkey` writes it. */
export const STATE_FORMAT = 1;

/** What a state file may have, bytes. */
export const STATE_BYTES = 65_536;

/** Stands beside the private key. */
export const STATE_FILE_NAME = "state.json";

export type StateRecord =
  | { readonly kind: "ours" }
  /** To be brought up to our format. */
  | { readonly kind: "older"; readonly format: number }
  | {
    readonly kind: "newer";
    readonly format: number;
    /** `undefined`: it does not say. */
    readonly writtenBy: string | undefined;
  }
  | { readonly kind: "garbage" };

const RECORD = z.looseObject({
  format: z.int().positive(),
  writtenBy: z.unknown().optional(),
});

/** A version, and nothing that a terminal would act upon. */
const VERSION_TEXT = /^[0-9A-Za-z][0-9A-Za-z.+~-]{0,63}$/;

/** @param format what this version writes */
export function parseStateRecord(
  text: string,
  format: number = STATE_FORMAT,
): StateRecord {
  const { success, data } = RECORD.safeParse(jsonOf(text));
  if (!success) return { kind: "garbage" };
  const version = z.string().regex(VERSION_TEXT).safeParse(data.writtenBy);
  if (data.format > format) {
    return { kind: "newer", format: data.format, writtenBy: version.data };
  }
  if (!version.success) return { kind: "garbage" };
  return data.format === format
    ? { kind: "ours" }
    : { kind: "older", format: data.format };
}

/** @param version who writes it */
export function stateRecordText(
  version: string,
  format: number = STATE_FORMAT,
): string {
  return `${JSON.stringify({ format, writtenBy: version })}\n`;
}

/** `undefined`: it is no JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
