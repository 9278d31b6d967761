/**
 * The graph in Graphviz' language: `clusternet graph -o dot | dot -Tsvg`.
 *
 * @module
 */

import {
  type Graph,
  type GraphNode,
  isOutcast,
  type Tunnel,
} from "./graph_model.ts";
import { COLORS, lookOf, MARKS, strokeWidth } from "./graph_style.ts";
import { fewOf, graphText, stateText, tunnelText } from "./graph_text.ts";
import { plainText } from "./plain_text.ts";

/** In order: solid, long dashes, short ones. Graphviz knows three. */
const STYLES = {
  up: "solid",
  idle: "dashed",
  old: "dashed",
  down: "dashed",
  absent: "dotted",
};

export function graphDot(graph: Graph): string {
  const { lines, nodes, title } = fewOf(graph);
  return [
    "graph clusternet {",
    `  graph [label=${quoted(title)}, tooltip=${
      quoted(graphText(graph))
    }, layout=circo, overlap=false, fontname="sans-serif"];`,
    '  node [shape=box, style=rounded, fontname="sans-serif"];',
    '  edge [fontname="sans-serif", fontsize=10];',
    ...nodes.map(([at, node]) =>
      nodeLine(node, { at, outcast: isOutcast(graph, node) })
    ),
    ...lines.map((tunnel) => tunnelLine(tunnel)),
    "}",
    "",
  ].join("\n");
}

function nodeLine(
  { name, kind, ready, text, reason }: GraphNode,
  { at, outcast }: { readonly at: number; readonly outcast: boolean },
): string {
  const well = ready !== false && kind !== "silent" && !outcast;
  const notes = [
    ...outcast ? ["nobody's peer"] : [],
    ...kind === "silent" ? ["gave no answer"] : [],
    ...ready === false ? ["not ready"] : [],
  ];
  const about = [name, text, reason].filter((each) => each !== "").join(": ");
  const attributes = [
    `label=${quoted(name, notes.map((note) => `\n${note}`).join(""))}`,
    `tooltip=${quoted(about)}`,
    ...kind === "asked" ? ["penwidth=2"] : [],
    ...kind === "silent" ? ['style="rounded,dashed"'] : [],
    ...well ? [] : [`color="${COLORS.down}"`],
  ];
  return `  n${at} [${attributes.join(", ")}];`;
}

function tunnelLine(tunnel: Tunnel): string {
  const { a, b, state } = tunnel;
  const look = lookOf(state, tunnel);
  const mark = MARKS[look];
  const attributes = [
    `tooltip=${quoted(tunnelText(tunnel))}`,
    `color="${COLORS[look]}"`,
    `style=${STYLES[look]}`,
    `penwidth=${strokeWidth(tunnel)}`,
    ...mark === "" ? [] : [
      `label=${quoted(`${mark} ${stateText(state)}`)}`,
      `fontcolor="${COLORS[look]}"`,
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
