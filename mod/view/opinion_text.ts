/**
 * What one Node's agent says of another Node, in words.
 *
 * @module
 */

import type { Opinion } from "../core/opinion.ts";

const WORDS: Readonly<Record<Opinion["word"], string>> = {
  up: "up",
  idle: "idle",
  down: "down",
  absent: "not a peer",
  unasked: "nothing",
};

/** "down: no answer within 3 s" */
export function opinionText({ word, why }: Opinion): string {
  return why === "" ? WORDS[word] : `${WORDS[word]}: ${why}`;
}
