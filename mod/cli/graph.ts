/**
 * `clusternet graph`: asks the agent, and draws what it says.
 *
 * @module
 */

import { usage, wantsHelp } from "../core/flags.ts";
import { askStatus } from "../sys/agent_socket.ts";
import { type Graph, graphOfOne } from "../view/graph_model.ts";
import { type GraphFormat, graphHelp, parseGraph } from "./graph_options.ts";

/** @returns the exit code */
export async function graph(args: readonly string[]): Promise<number> {
  if (wantsHelp(args)) return await print(graphHelp());
  const { format, link, probe } = parseGraph(args);
  if (format === undefined && Deno.stdout.isTerminal()) {
    throw usage(
      "A picture is for a file or a program, not for a terminal: " +
        "`clusternet graph > tunnels.svg`, or -o dot, -o mermaid or -o json for text",
    );
  }
  const status = await askStatus({ link, query: probe ? "probe=1" : "" });
  return await print(await drawn(graphOfOne(status), format ?? "svg"));
}

async function drawn(model: Graph, format: GraphFormat): Promise<string> {
  switch (format) {
    case "svg":
      return (await import("../view/graph_svg.ts")).graphSvg(model);
    case "dot":
      return (await import("../view/graph_dot.ts")).graphDot(model);
    case "mermaid":
      return (await import("../view/graph_mermaid.ts")).graphMermaid(model);
    case "json":
      return (await import("../view/graph_json.ts")).graphJson(model);
  }
}

/** A reader that has had enough is no error. */
async function print(text: string): Promise<number> {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let at = 0; at < bytes.length;) {
      at += await Deno.stdout.write(bytes.subarray(at));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
  return 0;
}
