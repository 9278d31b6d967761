/**
 * Findings from the steps that the agent would take: what is wrong is what it
 * would mend.
 *
 * @module
 */

import type { Step } from "../core/state.ts";
import type { Facts } from "./facts.ts";

/** What the agent does within a second, where it runs. */
export const AGENT_MENDS =
  "the agent mends it within a second: if it does not, see agent-not-running and its log";

export function stepsOf(
  state: Pick<Facts["state"], "steps">,
  ...kinds: readonly Step["kind"][]
): readonly Step[] {
  return state.steps.filter(({ kind }) => kinds.includes(kind));
}
