/**
 * A whole cluster, as all its agents see it side by side: how each is, and who
 * cannot reach whom. Of each answer it keeps what a table shows.
 *
 * @module
 */

import type { NodeRecord } from "./node.ts";
import type { NoAnswer, NodeAnswer, Opinion } from "./opinion.ts";
import { isBreakCode, OpinionTable } from "./opinion_table.ts";
import type { PeerState } from "./peer_state.ts";
import type { Status } from "./status.ts";

export interface ClusterHead {
  /** The API server, for people. */
  readonly server: string;
  /** When the first agent was asked: RFC 3339, UTC. */
  readonly time: string;
  /** Of the public key. */
  readonly annotation: string;
}

export interface NodeView {
  readonly node: NodeRecord;
  readonly answer: AgentSummary | NoAnswer;
}

export interface AgentSummary {
  readonly kind: "status";
  readonly version: string;
  readonly ready: boolean;
  /** Sentences. */
  readonly problems: readonly string[];
  /** Peers in that state. */
  readonly peers: Readonly<Record<PeerState, number>>;
  /** Nodes that are none. */
  readonly notPeers: number;
}

/** Two Nodes of which at least one says that it cannot reach the other. */
export interface Break {
  /** Names; `a` sorts before `b`. */
  readonly a: string;
  readonly b: string;
  /** What `a` says of `b`, and `b` of `a`. */
  readonly aSays: Opinion;
  readonly bSays: Opinion;
}

const NOT_ASKED: NoAnswer = { kind: "none", why: "it was not asked" };

export class ClusterView {
  readonly head: ClusterHead;
  readonly #nodes: readonly NodeRecord[];
  readonly #answers: (AgentSummary | NoAnswer | undefined)[] = [];
  readonly #opinions: OpinionTable;

  /** @param nodes all of them, in any order */
  constructor(head: ClusterHead, nodes: readonly NodeRecord[]) {
    this.head = head;
    this.#nodes = nodes.toSorted((a, b) => a.name < b.name ? -1 : 1);
    this.#opinions = new OpinionTable(this.#nodes.map(({ name }) => name));
  }

  /** What the agent on that Node has answered; nothing else of it is kept. */
  add(name: string, answer: NodeAnswer): void {
    const numbers = this.#opinions.add(name, answer);
    this.#answers[numbers.node] = answer.kind === "none"
      ? answer
      : summaryOf(answer.status);
  }

  /** Sorted by name. */
  get nodes(): readonly NodeView[] {
    return this.#nodes.map((node, at) => ({
      node,
      answer: this.#answers[at] ?? NOT_ASKED,
    }));
  }

  /** Sorted by both names. Two that could not be asked say nothing of each other. */
  *breaks(): Generator<Break> {
    const opinions = this.#opinions;
    const { codes } = opinions;
    for (const [a, { name }] of this.#nodes.entries()) {
      const own = codes[a];
      for (let b = a + 1; b < this.#nodes.length; b++) {
        const broken = isBreakCode(own?.[b] ?? 0) ||
          isBreakCode(codes[b]?.[a] ?? 0);
        if (!broken) continue;
        yield {
          a: name,
          b: this.#nodes[b]?.name ?? "",
          aSays: opinions.of(a, b),
          bSays: opinions.of(b, a),
        };
      }
    }
  }
}

function summaryOf({ findings, health, peers, version }: Status): AgentSummary {
  const counts = { up: 0, idle: 0, down: 0 };
  for (const { state } of peers) counts[state]++;
  return {
    kind: "status",
    version,
    ready: health.ready,
    problems: health.problems,
    peers: counts,
    notPeers: findings.filter(({ peer }) => !peer).length,
  };
}

export interface BreakDigest {
  readonly count: number;
  /** The first ones. */
  readonly some: readonly Break[];
  /** In how many each Node is, the one that is in most of them first. */
  readonly often: readonly (readonly [name: string, count: number])[];
}

export function digestOf(
  breaks: Iterable<Break>,
  { most }: { readonly most: number },
): BreakDigest {
  const some: Break[] = [];
  const counts = new Map<string, number>();
  let count = 0;
  for (const each of breaks) {
    count++;
    if (some.length < most) some.push(each);
    for (const name of [each.a, each.b]) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  const often = [...counts].sort(([a, some], [b, others]) =>
    others - some || (a < b ? -1 : 1)
  );
  return { count, some, often };
}
