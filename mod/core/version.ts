/**
 * Which program this is. The version needs no file at run time; a test holds it
 * equal to `deno.json`'s.
 *
 * @module
 */

export const VERSION = "0.1.0";

/**
 * How the program came to be a process:
 * - `source`: `deno run main.ts` in a checkout
 * - `compiled`: the executable of `deno task compile`
 * - `bundled`: that of `deno task build`, with a launcher in C
 */
export type BuildKind = "source" | "compiled" | "bundled";

export interface BuildInfo {
  readonly kind: BuildKind;
  /** Abbreviated hash, `-dirty` behind it where files differed; `undefined`: unknown. */
  readonly commit: string | undefined;
}

/** What `main.ts` says of itself: whoever asks for the commit finds out. */
export const SOURCE_BUILD: BuildInfo = { kind: "source", commit: undefined };
