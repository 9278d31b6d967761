/**
 * The graph as a flowchart of Mermaid, which many wikis and README pages draw.
 *
 * @module
 */

import {
  type Graph,
  type GraphNode,
  graphText,
  isBroken,
  type Tunnel,
} from "./graph_model.ts";
import { COLORS, DASHES, MARKS, strokeWidth } from "./graph_style.ts";
import { plainText } from "./plain_text.ts";

export function graphMermaid(graph: Graph): string {
  return [
    "flowchart LR",
    `  accTitle: ${oneLine(`${graph.title}, ${graph.time}`)}`,
    `  accDescr: ${oneLine(graphText(graph))}`,
    ...graph.nodes.map(nodeLine),
    ...graph.tunnels.map(tunnelLine),
    ...graph.tunnels.map(styleLine),
    `  classDef broken stroke:${COLORS.down},stroke-width:2px,stroke-dasharray:4 4`,
    "",
  ].join("\n");
}

function nodeLine({ name, kind, ready }: GraphNode, at: number): string {
  const silent = kind === "silent";
  const note = silent ? " (not asked)" : ready === false ? " (not ready)" : "";
  return `  n${at}["${escaped(name + note)}"]${note === "" ? "" : ":::broken"}`;
}

function tunnelLine(tunnel: Tunnel): string {
  const { a, b, state } = tunnel;
  const word = state === "absent" ? "no peer" : state;
  const text = `"${escaped(`${MARKS[state]} ${word}`.trim())}"`;
  return isBroken(tunnel)
    ? `  n${a} x--x|${text}| n${b}`
    : `  n${a} ---|${text}| n${b}`;
}

function styleLine(tunnel: Tunnel, at: number): string {
  const { state } = tunnel;
  const dash = DASHES[state] === "" ? "" : `,stroke-dasharray:${DASHES[state]}`;
  return `  linkStyle ${at} stroke:${COLORS[state]},stroke-width:${
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
