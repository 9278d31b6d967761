/**
 * What the doctor of one end finds on its machine, as far as it may touch the
 * path to the other: what it says of third peers is left out.
 *
 * @module
 */

import type { Diagnosis, Finding } from "./check.ts";
import { seen } from "./evidence.ts";
import type { Ends, Hop } from "./pair.ts";
import type { Side } from "./pair_facts.ts";

export function machineHops({ me, other }: Ends): readonly Hop[] {
  const { answer, checks, node: { name } } = me;
  // Where the agent cannot be asked nobody has looked, and its hop says so.
  if (answer.kind === "none") return [];
  const hop = { code: "machine", at: name } as const;
  if ("why" in checks) {
    return [{
      ...hop,
      grade: "unknown",
      sentence: `The machine of ${name} could not be examined: ${checks.why}`,
      evidence: [seen(doctorCommand(me), checks.why)],
      cure: `on ${name}: clusternet doctor`,
    }];
  }
  const about = checks.value.findings.filter(({ node }) =>
    node === undefined || node === other.node.name
  );
  if (about.length > 0) return about.map((each) => found(each, hop));
  const { made } = checks.value;
  return [{
    ...hop,
    grade: "good",
    sentence:
      `${made} checks find nothing on the machine of ${name} that touches this path${
        missing(checks.value, name)
      }`,
    evidence: [
      seen(
        doctorCommand(me),
        [`Nothing found by ${made} checks.`, ...notMade(checks.value)]
          .join("\n"),
      ),
    ],
    cure: "",
  }];
}

function found(
  { code, severity, sentence, evidence, cure }: Finding,
  hop: Pick<Hop, "code" | "at">,
): Hop {
  return {
    ...hop,
    grade: severity === "error" ? "broken" : "warning",
    sentence: `${hop.at}: ${sentence}`,
    evidence,
    cure,
    check: code,
  };
}

/** The node itself may make them: a pod sees less. */
function missing({ notMade }: Diagnosis, node: string): string {
  if (notMade.length === 0) return "";
  const size = notMade.some(({ code }) => code === "mtu-black-hole")
    ? ", among them that of the largest packet"
    : "";
  const only = notMade.map(({ code }) => code).join(",");
  return `; ${notMade.length} could not be made in the agent's pod${size} (on ${node} itself: clusternet doctor --only ${only})`;
}

function notMade({ notMade }: Diagnosis): readonly string[] {
  const byWhy = Map.groupBy(notMade, ({ why }) => why);
  return [...byWhy].map(([why, group]) =>
    `Not made: ${group.map(({ code }) => code).join(", ")}: ${why}`
  );
}

function doctorCommand({ pod }: Side): string {
  return pod === null
    ? "clusternet doctor"
    : `kubectl -n ${pod.namespace} exec ${pod.name} -- clusternet doctor`;
}
