/**
 * Checks of what only all agents together show: what has to be the same for each
 * of them, and is not.
 *
 * @module
 */

import { namesText } from "../core/names_text.ts";
import { type Check, check, type Evidence, type Found } from "./check.ts";
import { seen } from "./evidence.ts";
import type { AgentSettings } from "./facts.ts";
import { canonicalSet } from "./ranges.ts";

/** Nodes that are named of those with one value. */
const NAMED = 5;

/** Values that are shown. */
const SHOWN = 4;

export const AGREEMENT_CHECKS: readonly Check[] = [
  check(
    "agents-cluster-cidr",
    "whether all agents have one cluster CIDR (with --all only)",
    {
      needs: ["settings"],
      find: ({ settings }) =>
        differing(settings, {
          value: ({ clusterCidrs }) => canonicalSet(clusterCidrs.join(",")),
          what: "the cluster CIDR",
          so: "what is a pod for one is none for another",
          field: "clusterCidrs",
          cure: (most) =>
            `--cluster-cidr ${most} (CLUSTERNET_CLUSTER_CIDR) for every agent, or what kube-controller-manager has`,
        }),
    },
  ),
  check(
    "agents-listen-port",
    "whether all agents have one UDP port (with --all only)",
    {
      needs: ["settings"],
      find: ({ settings }) =>
        differing(settings, {
          value: ({ listenPort }) =>
            listenPort === null ? undefined : String(listenPort),
          what: "the UDP port of the tunnels",
          so: "each sends to its own port on the others, where nobody listens",
          field: "listenPort",
          cure: (most) =>
            `--listen-port ${most} (CLUSTERNET_LISTEN_PORT) for every agent`,
        }),
    },
  ),
  check(
    "agents-version",
    "whether all agents are of one version (with --all only)",
    {
      needs: ["settings"],
      find: ({ settings }) =>
        differing(settings, {
          severity: "warning",
          value: ({ version }) => version,
          what: "their version",
          so: "an upgrade has begun, and has not come to an end",
          field: "version",
          cure: () =>
            "kubectl -n clusternet rollout status daemonset/clusternet says what holds it up; docs/upgrading.md",
        }),
    },
  ),
];

interface Difference {
  readonly severity?: Found["severity"];
  /** `undefined`: it says nothing. */
  readonly value: (settings: AgentSettings) => string | undefined;
  /** In the sentence. */
  readonly what: string;
  readonly so: string;
  /** In the JSON of `clusternet status`. */
  readonly field: string;
  readonly cure: (most: string) => string;
}

function differing(
  settings: readonly AgentSettings[],
  { cure, field, severity = "error", so, value, what }: Difference,
): Found | undefined {
  const byValue = Map.groupBy(
    settings.toSorted((a, b) => a.node < b.node ? -1 : 1),
    value,
  );
  const groups = [...byValue].flatMap(([text, those]) =>
    text === undefined ? [] : [{ text, those }]
  ).sort((a, b) => b.those.length - a.those.length);
  const [most] = groups;
  if (most === undefined || groups.length === 1) return undefined;
  const shown = groups.slice(0, SHOWN);
  const rest = groups.length - shown.length;
  const values = shown.map(({ text, those }) => `${text} on ${namesOf(those)}`);
  if (rest > 0) values.push(`${rest} more`);
  return {
    severity,
    sentence: `The agents differ in ${what} (${values.join("; ")}): ${so}`,
    evidence: shown.flatMap(({ text, those: [one] }) =>
      one === undefined ? [] : [shownBy(one, field, text)]
    ),
    cure: cure(most.text),
  };
}

function namesOf(those: readonly AgentSettings[]): string {
  return namesText(those.map(({ node }) => node), NAMED);
}

function shownBy(
  { node, pod: { namespace, name } }: AgentSettings,
  field: string,
  text: string,
): Evidence {
  return seen(
    `kubectl -n ${namespace} exec ${name} -- clusternet status -o json --no-probe | grep -A3 '"${field}"'`,
    `${text} (${node})`,
  );
}
