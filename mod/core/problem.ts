/**
 * What is wrong with a node's network: a sentence for people, and its reason, one
 * word for programs in the manner of Kubernetes. Who finds it says both; the Node
 * condition and the Events pass both on.
 *
 * @module
 */

import { errorText, FatalError, ProblemError } from "./errors.ts";

/** What stands for all that has no word of its own. */
export const REASON_DOWN = "ClusternetIsDown";

/** Every one that there is. */
export const PROBLEM_REASONS = [
  "ListenPortInUse",
  "NoPodCIDRs",
  "PodCIDROutsideClusterCIDR",
  "PodCIDRUnusable",
  "NoInternalIP",
  "NodeNotRegistered",
  "NodesNotListed",
  "CNIPluginMissing",
  "ForeignCNIConfiguration",
  "ClusterCIDROverlap",
  "ForeignRoute",
  "NoUserspaceWireGuard",
  "ForeignLink",
  "NoWireGuard",
  "NoNftables",
  "NotPermitted",
  "UndoneBySomebodyElse",
  "APIServerUnreachable",
  "APIServerTooOld",
  "APIForbidden",
  "APIUnauthorized",
  "APIServerTrouble",
  REASON_DOWN,
] as const;

export type ProblemReason = typeof PROBLEM_REASONS[number];

export interface Problem {
  readonly reason: ProblemReason;
  /** One sentence, with the cure. */
  readonly text: string;
}

/**
 * What an error says, with the reason of the outermost that has one.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { ProblemError } from "./errors.ts";
 * import { problemOf } from "./problem.ts";
 *
 * const cause = new ProblemError("Nobody is there", { reason: "NodesNotListed" });
 * assert.deepEqual(problemOf(new Error("Cannot begin", { cause })), {
 *   reason: "NodesNotListed",
 *   text: "Cannot begin: Nobody is there",
 * });
 * assert.equal(problemOf("What is odd").reason, "ClusternetIsDown");
 * ```
 *
 * @param otherwise where no error has a reason
 */
export function problemOf(
  error: unknown,
  otherwise: ProblemReason = REASON_DOWN,
): Problem {
  return { reason: reasonOf(error) ?? otherwise, text: errorText(error) };
}

function reasonOf(error: unknown): ProblemReason | undefined {
  if (!(error instanceof Error)) return undefined;
  const own = error instanceof ProblemError ? error.reason : undefined;
  return own ?? reasonOf(error.cause);
}

/** What ends the agent, since waiting does not mend it. */
export function fatalOf({ reason, text }: Problem): FatalError {
  return new FatalError(text, 1, { reason });
}

/** For people: the sentences alone. */
export function textsOf(problems: readonly Problem[]): readonly string[] {
  return problems.map(({ text }) => text);
}
