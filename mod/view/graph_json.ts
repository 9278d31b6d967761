/**
 * The graph for programs: the model as it is, with names in place of places. In
 * pieces: millions of tunnels are more than one text holds.
 *
 * @module
 */

import type { Graph } from "./graph_model.ts";
import { JsonRecords, listOf } from "./records.ts";

export function* graphJson(graph: Graph): Generator<string> {
  const { nodes, tunnels, ...head } = graph;
  const name = (at: number): string => nodes[at]?.name ?? "";
  function* named(): Generator<unknown> {
    for (const { a, b, ...rest } of tunnels) {
      yield { a: name(a), b: name(b), ...rest };
    }
  }
  const records = new JsonRecords();
  yield records.begin(head);
  yield* listOf(records, "nodes", nodes);
  yield* listOf(records, "tunnels", named());
  yield records.end();
}
