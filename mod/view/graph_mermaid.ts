/**
 * The graph as a flowchart of Mermaid, which many wikis and README pages draw.
 *
 * @module
 */

import {
  type Graph,
  type GraphNode,
  isBroken,
  isOutcast,
  type Tunnel,
} from "./graph_model.ts";
import { COLORS, DASHES, lookOf, MARKS, strokeWidth } from "./graph_style.ts";
import { fewOf, graphText, stateText } from "./graph_text.ts";
import { plainText } from "./plain_text.ts";

export function graphMermaid(graph: Graph): string {
  const { lines, nodes, title } = fewOf(graph);
  return [
    "flowchart LR",
    `  accTitle: ${oneLine(title)}`,
    `  accDescr: ${oneLine(graphText(graph))}`,
    ...nodes.map(([at, node]) =>
      nodeLine(node, { at, outcast: isOutcast(graph, node) })
    ),
    ...lines.map(tunnelLine),
    ...lines.map(styleLine),
    `  classDef broken stroke:${COLORS.down},stroke-width:2px,stroke-dasharray:4 4`,
    "",
  ].join("\n");
}

function nodeLine(
  { name, kind, ready }: GraphNode,
  { at, outcast }: { readonly at: number; readonly outcast: boolean },
): string {
  const note = [
    ...outcast ? [" (nobody's peer)"] : [],
    ...kind === "silent" ? [" (gave no answer)"] : [],
    ...ready === false ? [" (not ready)"] : [],
  ].join("");
  return `  n${at}["${escaped(name + note)}"]${note === "" ? "" : ":::broken"}`;
}

function tunnelLine(tunnel: Tunnel): string {
  const { a, b, state } = tunnel;
  const text = `"${escaped(`${MARKS[state]} ${stateText(state)}`.trim())}"`;
  return isBroken(tunnel)
    ? `  n${a} x--x|${text}| n${b}`
    : `  n${a} ---|${text}| n${b}`;
}

function styleLine(tunnel: Tunnel, at: number): string {
  const look = lookOf(tunnel.state, tunnel);
  const dash = DASHES[look] === "" ? "" : `,stroke-dasharray:${DASHES[look]}`;
  return `  linkStyle ${at} stroke:${COLORS[look]},stroke-width:${
    strokeWidth(tunnel)
  }px${dash}`;
}

/**
 * Within quotation marks: all but letters, digits and a few signs by number
 * ("#35;"), for quotes, backticks, "#", "<" and "&" all mean something there.
 */
function escaped(text: string): string {
  return plainText(text).replaceAll(
    /[^\p{L}\p{N} .,:()/_-]/gu,
    (sign) => `#${sign.codePointAt(0)};`,
  );
}

/** To the end of a line: no comment, directive or second statement begins in it. */
function oneLine(text: string): string {
  return plainText(text).replaceAll(/[^\p{L}\p{N} .,:()/_-]/gu, " ");
}
