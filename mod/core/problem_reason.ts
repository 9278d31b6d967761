/**
 * The sentences about what is wrong with a node's network, each with its reason:
 * one word for programs, in the manner of Kubernetes. The Node condition and the
 * Events say both.
 *
 * Sentences are for people and may be put in other words; so a test makes each of
 * them by the part that says it, and holds the table to that.
 *
 * @module
 */

/** What stands for all that has no word of its own. */
export const REASON_DOWN = "ClusternetIsDown";

/** The first pattern that fits counts. */
const PATTERNS = [
  [/another program holds the UDP port/, "ListenPortInUse"],
  [/^Own Node \S+ has no podCIDRs/, "NoPodCIDRs"],
  [
    /^Own Node \S+ has the podCIDR .* not a part of the cluster CIDR/,
    "PodCIDROutsideClusterCIDR",
  ],
  [/^Own Node \S+ has the podCIDR /, "PodCIDRUnusable"],
  [/^Own Node \S+ has no InternalIP/, "NoInternalIP"],
  [/^There is no Node /, "NodeNotRegistered"],
  [/^The first complete list of Nodes has not arrived/, "NodesNotListed"],
  [/^Cannot find the CNI plugin/, "CNIPluginMissing"],
  [
    / comes before .* with (the network|what cannot be read)/,
    "ForeignCNIConfiguration",
  ],
  [/^Cannot use cluster CIDR .* be cut off/, "ClusterCIDROverlap"],
  [
    /^A route to .* by somebody else|a route of somebody else is in the way/,
    "ForeignRoute",
  ],
  [
    /^No userspace WireGuard holds|^Cannot reach a userspace WireGuard/,
    "NoUserspaceWireGuard",
  ],
  [/^Link \S+ is (there|somebody else's)/, "ForeignLink"],
  [/[Tt]his kernel has no WireGuard/, "NoWireGuard"],
  [/this kernel lacks nf_tables/, "NoNftables"],
  [/run as root, or with CAP_NET_ADMIN/, "NotPermitted"],
  [/^Not in place after it was set/, "UndoneBySomebodyElse"],
  [/^Cannot reach the API server/, "APIServerUnreachable"],
  [/^The API server .* supports v[\d.]+ and newer/, "APIServerTooOld"],
  [/^Cannot [^:]+: 403 /, "APIForbidden"],
  [/^Cannot [^:]+: 401 /, "APIUnauthorized"],
  [/^Cannot (list|watch|read|patch) Node/, "APIServerTrouble"],
] as const satisfies readonly (readonly [RegExp, string])[];

export type ProblemReason = typeof PATTERNS[number][1] | typeof REASON_DOWN;

/** Every one that there is. */
export const PROBLEM_REASONS: readonly ProblemReason[] = [
  ...PATTERNS.map(([, reason]) => reason),
  REASON_DOWN,
];

/**
 * ```ts
 * import assert from "node:assert/strict";
 * import { problemReason } from "./problem_reason.ts";
 *
 * const sentence = "Own Node n1 has no podCIDRs: run kube-controller-manager";
 * assert.equal(problemReason(sentence), "NoPodCIDRs");
 * assert.equal(problemReason("Something is odd"), "ClusternetIsDown");
 * ```
 */
export function problemReason(sentence: string): ProblemReason {
  for (const [pattern, reason] of PATTERNS) {
    if (pattern.test(sentence)) return reason;
  }
  return REASON_DOWN;
}
