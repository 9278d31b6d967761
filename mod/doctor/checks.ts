/**
 * All checks, in the order in which to act: what is first is often the cause of
 * what comes after.
 *
 * @module
 */

import { AGENT_CHECKS } from "./checks_agent.ts";
import { AGREEMENT_CHECKS } from "./checks_agreement.ts";
import { API_CHECKS } from "./checks_api.ts";
import { CLUSTER_CHECKS } from "./checks_cluster.ts";
import { HOST_CHECKS } from "./checks_host.ts";
import { LINK_CHECKS } from "./checks_link.ts";
import { PATH_CHECKS } from "./checks_path.ts";
import { RANGE_CHECKS } from "./checks_ranges.ts";
import { ROUTE_CHECKS } from "./checks_routes.ts";
import type { Check } from "./check.ts";

/** Those of one machine. */
export const CHECKS: readonly Check[] = [
  ...AGENT_CHECKS,
  ...API_CHECKS,
  ...CLUSTER_CHECKS,
  ...RANGE_CHECKS,
  ...LINK_CHECKS,
  ...ROUTE_CHECKS,
  ...PATH_CHECKS,
  ...HOST_CHECKS,
];

/** Of `--all`: those of each machine, of the cluster's settings, and of all agents together. */
export const ALL_CHECKS: readonly Check[] = CHECKS.flatMap((each) =>
  each === RANGE_CHECKS[0] ? [...AGREEMENT_CHECKS, each] : [each]
);
