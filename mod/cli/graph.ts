/**
 * `clusternet graph`: asks the agent, or with `--all` every agent of a cluster,
 * and draws what they say.
 *
 * @module
 */

import { usage, wantsHelp } from "../core/flags.ts";
import { askStatus } from "../sys/agent_socket.ts";
import { graphOfOne, Mesh } from "../view/graph_mesh.ts";
import type { Graph } from "../view/graph_model.ts";
import { countText } from "../view/units.ts";
import {
  type GraphArguments,
  type GraphFormat,
  graphHelp,
  parseGraph,
} from "./graph_options.ts";
import { progress, writeOut } from "./terminal.ts";

/** @returns the exit code */
export async function graph(args: readonly string[]): Promise<number> {
  if (wantsHelp(args)) {
    await writeOut(graphHelp());
    return 0;
  }
  const wanted = parseGraph(args, (name) => Deno.env.get(name));
  if (wanted.format === undefined && Deno.stdout.isTerminal()) {
    throw usage(
      "A picture is for a file or a program, not for a terminal: " +
        "`clusternet graph > tunnels.svg`, or -o dot, -o mermaid or -o json for text",
    );
  }
  const model = wanted.all ? await all(wanted) : await own(wanted);
  for (const piece of await draw(model, wanted.format ?? "svg")) {
    if (!await writeOut(piece)) break;
  }
  return 0;
}

async function own({ link, probe }: GraphArguments): Promise<Graph> {
  return graphOfOne(await askStatus({ link, query: probe ? "probe=1" : "" }));
}

async function all(wanted: GraphArguments): Promise<Graph> {
  const { askCluster } = await import("./ask_cluster.ts");
  let mesh = new Mesh();
  let caption = { title: "", time: "" };
  await askCluster(wanted, ({ server, time }, nodes) => {
    mesh = new Mesh(nodes.map(({ name }) => name));
    caption = { title: `Tunnels of ${server}`, time };
    return (name, answer) => mesh.add(name, answer);
  });
  return mesh.graph(caption);
}

/** Of thousands of Nodes it takes seconds, and says so meanwhile. */
async function draw(
  model: Graph,
  format: GraphFormat,
): Promise<Iterable<string>> {
  using _said = progress(`drawing ${countText(model.nodes.length)} Nodes…`);
  return await drawn(model, format);
}

/** In pieces. */
async function drawn(
  model: Graph,
  format: GraphFormat,
): Promise<Iterable<string>> {
  switch (format) {
    case "svg":
      return [(await import("../view/graph_svg.ts")).graphSvg(model)];
    case "dot":
      return [(await import("../view/graph_dot.ts")).graphDot(model)];
    case "mermaid":
      return [(await import("../view/graph_mermaid.ts")).graphMermaid(model)];
    case "json":
      return (await import("../view/graph_json.ts")).graphJson(model);
  }
}
