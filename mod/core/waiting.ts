/**
 * What is missing until every Node's peer stands.
 *
 * @module
 */

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

function some(names: readonly string[]): string {
  const more = names.length - NAMED;
  const named = names.slice(0, NAMED).join(", ");
  return more > 0 ? `${named} and ${more} more` : named;
}
