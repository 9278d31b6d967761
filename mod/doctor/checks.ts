/**
 * All checks, in the order in which to act: what is first is often the cause of
 * what comes after.
 *
 * @module
 */

import { AGENT_CHECKS } from "./checks_agent.ts";
import { CLUSTER_CHECKS } from "./checks_cluster.ts";
import { LINK_CHECKS } from "./checks_link.ts";
import { PATH_CHECKS } from "./checks_path.ts";
import type { Check } from "./check.ts";

export const CHECKS: readonly Check[] = [
  ...AGENT_CHECKS,
  ...CLUSTER_CHECKS,
  ...LINK_CHECKS,
  ...PATH_CHECKS,
];
