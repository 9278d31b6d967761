/**
 * What a turn looks at, and what it tells of itself.
 *
 * @module
 */

import type { Found } from "../core/network_verdict.ts";
import type { Problem } from "../core/problem.ts";

export type Scope = "full" | "network" | "peers";

export interface Report {
  readonly scope: Scope;
  /** Steps done. */
  readonly applied: number;
  /** Has the link become ours in this turn? Then it has no session yet. */
  readonly newLink: boolean;
  /** What is missing or failed. None: all stands, as read back. */
  readonly problems: readonly Problem[];
  /** `false`: look again soon, even where there is no problem. */
  readonly clean: boolean;
  /**
   * Of the problems those that all pods of this node have, not those of single
   * peers. `undefined`: nothing can be said, our own Node is not known.
   */
  readonly network: Found | undefined;
}
