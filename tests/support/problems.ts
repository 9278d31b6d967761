import { type Problem, REASON_DOWN } from "../../mod/core/problem.ts";

/** A problem that has no word of its own. */
export function problem(text: string): Problem {
  return { reason: REASON_DOWN, text };
}
