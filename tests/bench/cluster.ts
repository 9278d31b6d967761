/**
 * What `status --all` and `graph --all` keep of a cluster, and how long they take
 * for it, at 500 and at 5,000 Nodes: each in a process of its own, with the flags
 * of the executable. Who asks and who answers is not in it.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { V8_FLAGS } from "../../deploy/permissions.ts";
import { ClusterView } from "../../mod/core/cluster_view.ts";
import type { NodeRecord } from "../../mod/core/node.ts";
import type { PeerStatus, Status } from "../../mod/core/status.ts";
import { clusterText } from "../../mod/view/cluster_text.ts";
import { Mesh } from "../../mod/view/graph_mesh.ts";
import { graphSvg } from "../../mod/view/graph_svg.ts";
import { PLAIN } from "../../mod/view/text.ts";
import { testNode } from "../support/nodes.ts";
import { figuresOf, megabytes } from "../support/process_figures.ts";
import { statusOf } from "../support/statuses.ts";

const SIZES = [500, 5_000] as const;

const COMMANDS = ["status", "graph"] as const;

interface Cost {
  readonly bytes: number;
  readonly cpuSeconds: number;
}

/** Lines, each with the larger cluster as a multiple of the smaller one. */
export async function clusterCosts(): Promise<string> {
  const lines: string[] = [];
  for (const command of COMMANDS) {
    const [few, many] = [
      await costOf(command, SIZES[0]),
      await costOf(command, SIZES[1]),
    ];
    const times = (figure: (cost: Cost) => number): string =>
      `×${(figure(many) / figure(few)).toFixed(1)}`;
    lines.push(
      `${command} --all of ${SIZES[1]} Nodes beside ${SIZES[0]}: ${
        times(({ bytes }) => bytes)
      } of ${megabytes(few.bytes)} of its own, ${
        times(({ cpuSeconds }) => cpuSeconds)
      } of ${few.cpuSeconds.toFixed(2)} s of CPU`,
    );
  }
  return lines.join("\n");
}

async function costOf(command: string, nodes: number): Promise<Cost> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--no-check", "--quiet", V8_FLAGS],
      ...[fileURLToPath(import.meta.url), command, String(nodes)],
    ],
  }).output();
  const text = new TextDecoder();
  if (code !== 0) throw new Error(text.decode(stderr));
  return JSON.parse(text.decode(stdout));
}

/** Every agent says the same; nobody asks what it says of itself. */
function measure(command: string, count: number): Cost {
  const nodes = Array.from({ length: count }, (_, at) => testNode(at + 1));
  const [peer] = statusOf(2).peers;
  const peers = nodes.flatMap(({ name }): readonly PeerStatus[] =>
    peer === undefined ? [] : [{ ...peer, node: name }]
  );
  const status: Status = { ...statusOf(1), peers };
  const { cpuSeconds } = figuresOf(Deno.pid);
  const letters = command === "graph"
    ? drawn(nodes, status)
    : told(nodes, status);
  if (letters === 0) throw new Error("Cannot measure: nothing is shown");
  const after = figuresOf(Deno.pid);
  return {
    bytes: after.anonymousBytes,
    cpuSeconds: after.cpuSeconds - cpuSeconds,
  };
}

function told(nodes: readonly NodeRecord[], status: Status): number {
  const head = { server: "https://192.0.2.1", time: "", annotation: "" };
  const view = new ClusterView(head, nodes);
  for (const { name } of nodes) view.add(name, { kind: "status", status });
  return clusterText(view, { width: 80, paint: PLAIN }).lines.length;
}

function drawn(nodes: readonly NodeRecord[], status: Status): number {
  const mesh = new Mesh(nodes.map(({ name }) => name));
  for (const { name } of nodes) mesh.add(name, { kind: "status", status });
  return graphSvg(mesh.graph({ title: "Mesh", time: "" })).length;
}

if (import.meta.main) {
  const [command = "", count] = Deno.args;
  console.log(JSON.stringify(measure(command, Number(count))));
}
