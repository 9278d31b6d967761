/**
 * What the hops of one end have in common: how flaws make a grade, and how its
 * agent is asked and looked after by hand.
 *
 * @module
 */

import type { Grade, Hop } from "./pair.ts";
import type { Side } from "./pair_facts.ts";

/** Something that is not as it should be. */
export interface Flaw {
  readonly grade: Exclude<Grade, "good">;
  readonly text: string;
  readonly cure: string;
}

/** As bad as the worst of them; without any as good as `well`. */
export function judged(
  hop: Pick<Hop, "code" | "at" | "evidence">,
  flaws: readonly Flaw[],
  well: string,
): Hop {
  const worst = (["broken", "unknown", "warning"] as const)
    .flatMap((grade) => flaws.find((flaw) => flaw.grade === grade) ?? [])[0];
  if (worst === undefined) {
    return { ...hop, grade: "good", sentence: well, cure: "" };
  }
  const others = flaws.filter((flaw) => flaw !== worst);
  const { grade, cure } = worst;
  const sentence = [worst, ...others].map(({ text }) => text).join("; ");
  return { ...hop, grade, sentence, cure };
}

export function portOf({ answer }: Side): number | undefined {
  return answer.kind === "status" ? answer.status.link?.listenPort : undefined;
}

/** How the agent is asked by hand. */
export function agentCommand({ pod, node }: Side): string {
  return pod === null
    ? `kubectl get pods -A -l app.kubernetes.io/name=clusternet --field-selector spec.nodeName=${node.name}`
    : `kubectl -n ${pod.namespace} exec ${pod.name} -- clusternet status`;
}

/** Where an agent's own words are. */
export function agentCure({ pod, node }: Side): string {
  return pod === null
    ? `start the agent on ${node.name} (docs/install.md); where it is a service of the host: journalctl -u clusternet there`
    : `kubectl -n ${pod.namespace} logs ${pod.name}; kubectl -n ${pod.namespace} describe pod ${pod.name}`;
}
