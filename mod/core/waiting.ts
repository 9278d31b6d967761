/**
 * What is missing until every Node's peer stands.
 *
 * @module
 */

import { type ClusterView, digestOf } from "./cluster_view.ts";
import { namesText } from "./names_text.ts";
import type { Status } from "./status.ts";

/** Names in a sentence; the others are counted. */
const NAMED = 3;

/** The end of a sentence; `undefined`: nothing, all stands. */
export function waitingFor(
  { api, findings, health, peers }: Status,
): string | undefined {
  if (!api.synced) {
    return `no complete list of Nodes yet${
      api.error === null ? "" : ` (${api.error})`
    }`;
  }
  const parts: string[] = [];
  const away = findings.filter(({ peer }) => !peer);
  const [first] = away;
  if (first !== undefined) {
    const why = first.reasons[0]?.text ?? "";
    parts.push(`no peer yet: ${some(away.map(({ node }) => node))} (${why})`);
  }
  const known = peers.filter(({ node }) => node !== null).length;
  const missing = api.nodes - 1 - known - away.length;
  if (missing > 0) {
    parts.push(
      `${missing} more ${missing === 1 ? "Node" : "Nodes"} to be peers`,
    );
  }
  const down = peers.filter(({ state }) => state === "down")
    .map(({ node, publicKey }) => node ?? publicKey);
  if (down.length > 0) parts.push(`no answer from ${some(down)}`);
  if (!health.ready) parts.push(health.problems.join("; ") || health.text);
  return parts.length === 0 ? undefined : parts.join("; ");
}

/**
 * Of a whole cluster: until every agent has been asked, is ready, and reaches all
 * others.
 */
export function waitingForAll(view: ClusterView): string | undefined {
  const parts: string[] = [];
  const silent: { readonly name: string; readonly why: string }[] = [];
  const unready: { readonly name: string; readonly why: string }[] = [];
  const missing: string[] = [];
  for (const { node: { name }, answer } of view.nodes) {
    if (answer.kind === "none") silent.push({ name, why: answer.why });
    else if (!answer.ready) {
      unready.push({ name, why: answer.problems[0] ?? "it has just begun" });
    } else if (answer.peers.down > 0) missing.push(name);
  }
  const told = (
    what: string,
    those: readonly { readonly name: string; readonly why: string }[],
  ): void => {
    const [first] = those;
    if (first === undefined) return;
    const names = some(those.map(({ name }) => name));
    parts.push(`${what} ${names} (${first.why})`);
  };
  told("no answer from the agent of", silent);
  told("not ready:", unready);
  const { count, some: [pair] } = digestOf(view.breaks(), { most: 1 });
  if (pair !== undefined) {
    const { a, b } = pair;
    parts.push(
      count === 1
        ? `${a} and ${b} do not reach each other`
        : `${count} pairs of Nodes do not reach each other (${a} and ${b})`,
    );
  } else if (missing.length > 0) {
    parts.push(`peers that are no Nodes are down: ${some(missing)}`);
  }
  return parts.length === 0 ? undefined : parts.join("; ");
}

function some(names: readonly string[]): string {
  return namesText(names, NAMED);
}
