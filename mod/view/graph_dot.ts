/**
 * The graph in Graphviz' language: `clusternet graph -o dot | dot -Tsvg`.
 *
 * @module
 */

import {
  type Graph,
  type GraphNode,
  graphText,
  type Tunnel,
  tunnelText,
} from "./graph_model.ts";
import { COLORS, MARKS, strokeWidth } from "./graph_style.ts";
import { plainText } from "./plain_text.ts";

/** In order: solid, long dashes, short ones. Graphviz knows three. */
const STYLES = {
  up: "solid",
  idle: "dashed",
  down: "dashed",
  absent: "dotted",
};

export function graphDot(graph: Graph): string {
  return [
    "graph clusternet {",
    `  graph [label=${quoted(`${graph.title}, ${graph.time}`)}, tooltip=${
      quoted(graphText(graph))
    }, layout=circo, overlap=false, fontname="sans-serif"];`,
    '  node [shape=box, style=rounded, fontname="sans-serif"];',
    '  edge [fontname="sans-serif", fontsize=10];',
    ...graph.nodes.map(nodeLine),
    ...graph.tunnels.map((tunnel) => tunnelLine(tunnel)),
    "}",
    "",
  ].join("\n");
}

function nodeLine(node: GraphNode, at: number): string {
  const { name, kind, ready, text } = node;
  const well = ready !== false && kind !== "silent";
  const note = kind === "silent" ? "\nnot asked" : well ? "" : "\nnot ready";
  const attributes = [
    `label=${quoted(name, note)}`,
    `tooltip=${quoted(text === "" ? name : `${name}: ${text}`)}`,
    ...kind === "asked" ? ["penwidth=2"] : [],
    ...kind === "silent" ? ['style="rounded,dashed"'] : [],
    ...well ? [] : [`color="${COLORS.down}"`],
  ];
  return `  n${at} [${attributes.join(", ")}];`;
}

function tunnelLine(tunnel: Tunnel): string {
  const { a, b, state } = tunnel;
  const mark = MARKS[state];
  const attributes = [
    `tooltip=${quoted(tunnelText(tunnel))}`,
    `color="${COLORS[state]}"`,
    `style=${STYLES[state]}`,
    `penwidth=${strokeWidth(tunnel)}`,
    ...mark === "" ? [] : [
      `label=${quoted(`${mark} ${state === "absent" ? "no peer" : state}`)}`,
      `fontcolor="${COLORS[state]}"`,
    ],
  ];
  return `  n${a} -- n${b} [${attributes.join(", ")}];`;
}

/**
 * A string of the language. Beside the quotation mark, a backslash begins an
 * escape of labels ("\N" is the node's name), and "&" an entity.
 */
function quoted(text: string, note = ""): string {
  const inside = plainText(text).replaceAll("\\", "\\\\").replaceAll('"', '\\"')
    .replaceAll("&", "&amp;");
  return `"${inside}${note.replaceAll("\n", "\\n")}"`;
}
