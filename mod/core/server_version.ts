/**
 * Which API servers are new enough.
 *
 * The floor is set by what holds an agent to its own Node: tokens that name the
 * node of their pod, and ValidatingAdmissionPolicies, both of Kubernetes 1.30.
 * All else that is asked of a server is older: bound tokens (1.22), bookmarks in
 * watches (1.17), `spec.podCIDRs` (1.16). Streamed lists are asked for and can be
 * done without.
 *
 * @module
 */

import type { Problem } from "./problem.ts";

export const OLDEST_SERVER = { major: 1, minor: 30 } as const;

/**
 * What is wrong with a server that is too old. `undefined`: it is new enough, or
 * says nothing that could be read (a build without a version says v0.0.0).
 *
 * @param text `gitVersion` of its /version: "v1.36.3", "v1.29.1-eks-508b6b3"
 */
export function oldServer(
  text: string,
  server: string,
): Problem | undefined {
  const [, major = "", minor = ""] = /^v?(\d{1,3})\.(\d{1,3})\b/.exec(text) ??
    [];
  const own = { major: Number(major), minor: Number(minor) };
  const unreadable = major === "" || own.major + own.minor === 0;
  const fits = own.major > OLDEST_SERVER.major ||
    own.major === OLDEST_SERVER.major && own.minor >= OLDEST_SERVER.minor;
  if (unreadable || fits) return undefined;
  const oldest = `v${OLDEST_SERVER.major}.${OLDEST_SERVER.minor}`;
  return {
    reason: "APIServerTooOld",
    text: `The API server ${server} is ${
      text.slice(0, 40).replaceAll(/[^ -~]/g, "?")
    }, and clusternet supports ${oldest} and newer: upgrade kube-apiserver, or run an older clusternet (all that works goes on)`,
  };
}
