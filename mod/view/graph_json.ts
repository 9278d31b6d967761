/**
 * The graph for programs: the model as it is, with names in place of places.
 *
 * @module
 */

import type { Graph } from "./graph_model.ts";

export function graphJson(graph: Graph): string {
  const name = (at: number): string => graph.nodes[at]?.name ?? "";
  const tunnels = graph.tunnels.map(({ a, b, ...rest }) => ({
    a: name(a),
    b: name(b),
    ...rest,
  }));
  return `${JSON.stringify({ ...graph, tunnels }, null, 2)}\n`;
}
