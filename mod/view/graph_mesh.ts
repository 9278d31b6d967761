/**
 * Makes a graph of what agents say, one after the other. No answer is kept: of
 * each pair the words, and what a tunnel's sentence tells in numbers.
 *
 * @module
 */

import { isBreak, type NodeAnswer, type Opinion } from "../core/opinion.ts";
import { OpinionTable, WORDS } from "../core/opinion_table.ts";
import type { Status } from "../core/status.ts";
import {
  type Graph,
  GRAPH_SCHEMA,
  type GraphNode,
  type Pair,
  stateOf,
  type Tunnel,
  type Tunnels,
} from "./graph_model.ts";
import { opinionText } from "./opinion_text.ts";
import { PairFigures } from "./pair_figures.ts";

/** What one Node's agent has said, or why it could not be asked. */
export interface Report {
  readonly node: string;
  readonly answer: NodeAnswer;
}

export interface Caption {
  readonly title: string;
  /** RFC 3339, UTC. */
  readonly time: string;
}

export function graphOfOne(status: Status): Graph {
  const answer = { kind: "status", status } as const;
  return graphOf([{ node: status.node.name, answer }], {
    title: `Tunnels of ${status.node.name}`,
    time: status.time,
  });
}

export function graphOf(reports: Iterable<Report>, caption: Caption): Graph {
  const mesh = new Mesh();
  for (const { node, answer } of reports) mesh.add(node, answer);
  return mesh.graph(caption);
}

/** By the number of a Node. */
type About = Pick<GraphNode, "kind" | "ready" | "text">;

const SEEN: About = { kind: "seen", ready: null, text: "" };

/** Takes reports, each once, in any order. */
export class Mesh {
  readonly #opinions: OpinionTable;
  readonly #figures: PairFigures;
  readonly #about: (About | undefined)[] = [];

  /** @param names of those that are to be asked, as far as they are known */
  constructor(names: readonly string[] = []) {
    this.#opinions = new OpinionTable(names);
    this.#figures = new PairFigures(names.length);
  }

  add(node: string, answer: NodeAnswer): void {
    const numbers = this.#opinions.add(node, answer);
    this.#about[numbers.node] = aboutOf(answer);
    if (answer.kind === "none") return;
    const { length } = this.#opinions.names;
    this.#figures.add(numbers, answer.status.peers, length);
  }

  graph({ time, title }: Caption): Graph {
    const { names } = this.#opinions;
    const order = names.map((_, number) => number).sort((a, b) =>
      (names[a] ?? "") < (names[b] ?? "") ? -1 : 1
    );
    const tunnels = new MeshTunnels({
      figures: this.#figures,
      opinions: this.#opinions,
      order,
    });
    const outcasts = outcastsOf(tunnels, order.length);
    const nodes = order.map((number, at) => ({
      name: names[number] ?? "",
      ...this.#about[number] ?? SEEN,
      ...outcasts[at] ?? FREE,
    }));
    return { schema: GRAPH_SCHEMA, title, time, nodes, tunnels };
  }
}

function aboutOf(answer: NodeAnswer): About {
  if (answer.kind === "none") {
    return { kind: "silent", ready: null, text: answer.why };
  }
  const { ready, text } = answer.status.health;
  return { kind: "asked", ready, text };
}

interface MeshTunnelsOptions {
  readonly figures: PairFigures;
  readonly opinions: OpinionTable;
  /** Numbers in the order of the names. */
  readonly order: readonly number[];
}

class MeshTunnels implements Tunnels {
  readonly #options: MeshTunnelsOptions;
  /** Places of those that were to be asked. */
  readonly #reporters: readonly number[];

  constructor(options: MeshTunnelsOptions) {
    this.#options = options;
    const { opinions, order } = options;
    this.#reporters = order.flatMap((number, at) =>
      opinions.isReporter(number) ? [at] : []
    );
  }

  *[Symbol.iterator](): Generator<Tunnel> {
    const { order } = this.#options;
    for (let a = 0; a < order.length; a++) {
      const found: number[] = [];
      this.#eachOf(a, ({ b }) => found.push(b));
      for (const b of found) yield this.tunnel({ a, b });
    }
  }

  eachPair(visit: (pair: Pair) => void): void {
    const { length } = this.#options.order;
    for (let a = 0; a < length; a++) this.#eachOf(a, visit);
  }

  #eachOf(a: number, visit: (pair: Pair) => void): void {
    const { opinions: { codes }, order } = this.#options;
    const one = order[a] ?? 0;
    const own = codes[one];
    const pair = { a, b: 0, aCode: 0, bCode: 0 };
    const look = (b: number): void => {
      const other = order[b] ?? 0;
      pair.b = b;
      pair.aCode = own?.[other] ?? 0;
      pair.bCode = codes[other]?.[one] ?? 0;
      if (pair.aCode !== 0 || pair.bCode !== 0) visit(pair);
    };
    // Two of which neither has said anything say nothing of each other.
    if (own !== undefined) {
      for (let b = a + 1; b < order.length; b++) {
        look(b);
      }
    } else for (const b of this.#reporters) if (b > a) look(b);
  }

  handshakeSeconds({ a, b }: Pick<Pair, "a" | "b">): number | null {
    const { figures, order } = this.#options;
    return figures.handshakeSeconds(order[a] ?? 0, order[b] ?? 0);
  }

  tunnel({ a, b }: Pick<Pair, "a" | "b">): Tunnel {
    const { figures, opinions, order } = this.#options;
    const [one, other] = [order[a] ?? 0, order[b] ?? 0];
    const aSays = opinions.of(one, other);
    const bSays = opinions.of(other, one);
    return {
      ...{ a, b, aSays, bSays },
      state: stateOf({
        aCode: opinions.codes[one]?.[other] ?? 0,
        bCode: opinions.codes[other]?.[one] ?? 0,
      }),
      handshakeSeconds: figures.handshakeSeconds(one, other),
      aToBBytes: figures.bytes(one, other),
      bToABytes: figures.bytes(other, one),
      why: this.#why([one, other], { aSays, bSays }),
    };
  }

  /** What those say of it that were asked. */
  sayings(place: number): readonly Opinion[] {
    const { opinions, order } = this.#options;
    return this.#reporters.filter((each) => each !== place)
      .map((each) => opinions.of(order[each] ?? 0, order[place] ?? 0))
      .filter(({ word }) => word !== "unasked");
  }

  /** Where both were to be asked, what each says; else what the one says. */
  #why(
    [one, other]: readonly [number, number],
    { aSays, bSays }: Pick<Tunnel, "aSays" | "bSays">,
  ): string {
    const { opinions } = this.#options;
    const [first] = [aSays, bSays].filter(isBreak);
    if (first === undefined) return "";
    const name = (number: number): string => opinions.names[number] ?? "";
    if (opinions.isReporter(one) && opinions.isReporter(other)) {
      return `${name(one)} says ${opinionText(aSays)}; ${name(other)} says ${
        opinionText(bSays)
      }`;
    }
    if (first.word === "absent" || first.why === "") return first.why;
    return `${name(opinions.isReporter(one) ? one : other)}: ${first.why}`;
  }
}

type Standing = Pick<GraphNode, "peer" | "reason">;

const FREE: Standing = { peer: null, reason: "" };

/** In the order of the Nodes: whether anybody has them as a peer, and why not. */
function outcastsOf(tunnels: MeshTunnels, length: number): readonly Standing[] {
  const said = new Uint8Array(length);
  const known = new Uint8Array(length);
  const note = (place: number, code: number): void => {
    if (code === 0) return;
    said[place] = 1;
    if (WORDS[code] !== "absent") known[place] = 1;
  };
  tunnels.eachPair(({ a, aCode, b, bCode }) => {
    note(b, aCode);
    note(a, bCode);
  });
  return Array.from(said, (isSaid, place): Standing => {
    if (isSaid === 0) return FREE;
    if (known[place] === 1) return { peer: true, reason: "" };
    return { peer: false, reason: commonest(tunnels.sayings(place)) };
  });
}

function commonest(opinions: readonly Opinion[]): string {
  const counts = Map.groupBy(opinions, ({ why }) => why);
  const [most = ["", []]] = [...counts]
    .sort(([a, some], [b, others]) =>
      others.length - some.length || (a < b ? -1 : 1)
    );
  return most[0];
}
