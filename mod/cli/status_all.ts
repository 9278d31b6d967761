/**
 * `clusternet status --all`: what every agent of a cluster sees. JSON and YAML are
 * written while the agents answer, for all answers of a large cluster are more
 * than fits into memory.
 *
 * @module
 */

import { ClusterView } from "../core/cluster_view.ts";
import { errorText, FatalError } from "../core/errors.ts";
import { waitingForAll } from "../core/waiting.ts";
import { ApiError } from "../sys/kube_error.ts";
import { clusterText, isClusterHealthy } from "../view/cluster_text.ts";
import { JsonRecords, listOf, type Records } from "../view/records.ts";
import { askCluster } from "./ask_cluster.ts";
import { NoAgentsError } from "./cluster_view.ts";
import { NodeRecords } from "./node_records.ts";
import type { StatusArguments } from "./status_options.ts";
import { waitUntilNothing } from "./status_wait.ts";
import { standardOutput, writeOut } from "./terminal.ts";

/** @returns the exit code */
export async function statusAll(wanted: StatusArguments): Promise<number> {
  const { output, waitMs, watch } = wanted;
  if (watch) {
    const { showAgain } = await import("./status_watch.ts");
    return await showAgain({ output, pauseMs: PAUSE_MS }, async () => {
      const { lines } = clusterText(await viewOf(wanted), standardOutput());
      const text = `${lines.join("\n")}\n`;
      return { text, essence: text };
    });
  }
  if (waitMs !== undefined) {
    const view = await standing(wanted, waitMs);
    // The view keeps no answer whole: for records all are asked once more.
    if (output === "text") return await inText(view);
  }
  return output === "text"
    ? await inText(await viewOf(wanted))
    : await inRecords(wanted, await recordsIn(output));
}

/** Milliseconds between two views of a whole cluster. */
const PAUSE_MS = 10_000;

/** @throws {FatalError} what was missing when the time was over */
async function standing(
  wanted: StatusArguments,
  waitMs: number,
): Promise<ClusterView> {
  let view: ClusterView | undefined;
  await waitUntilNothing(waitMs, async (signal) => {
    try {
      view = await viewOf({ ...wanted, signal });
      return waitingForAll(view);
    } catch (error) {
      if (signal.aborted || !mayPass(error)) throw error;
      return errorText(error);
    }
  });
  if (view === undefined) throw new Error("nobody has looked");
  return view;
}

/** Agents may be on their way, and the API server come back; no right comes by waiting. */
function mayPass(error: unknown): boolean {
  if (error instanceof NoAgentsError) return true;
  // A kubeconfig that is not there, or is none, has nobody's answer behind it.
  const cause = error instanceof FatalError ? error.cause : undefined;
  const refused = cause instanceof ApiError &&
    [401, 403].includes(cause.status.code);
  return cause !== undefined && !refused;
}

async function viewOf(
  wanted: StatusArguments & { readonly signal?: AbortSignal },
): Promise<ClusterView> {
  let view: ClusterView | undefined;
  await askCluster(wanted, (head, nodes) => {
    const begun = view = new ClusterView(head, nodes);
    return (name, answer) => begun.add(name, answer);
  });
  if (view === undefined) throw new Error("nobody was asked");
  return view;
}

async function inText(view: ClusterView): Promise<number> {
  const { healthy, lines } = clusterText(view, standardOutput());
  await writeOut(`${lines.join("\n")}\n`);
  return healthy ? 0 : 1;
}

/** @returns 0 too where nobody reads any more */
async function inRecords(
  wanted: StatusArguments,
  records: Records,
): Promise<number> {
  const writer = new NodeRecords(records);
  const { signal } = writer;
  let view: ClusterView | undefined;
  try {
    await askCluster({ ...wanted, signal }, (head, nodes) => {
      const begun = view = new ClusterView(head, nodes);
      const byName = new Map(nodes.map((node) => [node.name, node]));
      writer.begin({ ...head }, [...byName.keys()]);
      return async (name, answer) => {
        begun.add(name, answer);
        await writer.add(name, { node: byName.get(name), answer });
      };
    });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  if (signal.aborted || view === undefined) return 0;
  await writer.endNodes();
  const breaks = new Counted(view.breaks());
  for (const piece of listOf(records, "breaks", breaks)) {
    await writer.write(piece);
    if (signal.aborted) return 0;
  }
  await writer.write(records.end());
  return isClusterHealthy(view.nodes, breaks) ? 0 : 1;
}

/** Passes on what comes, and knows how much it was. */
class Counted<T> implements Iterable<T> {
  readonly #all: Iterable<T>;
  count = 0;

  constructor(all: Iterable<T>) {
    this.#all = all;
  }

  *[Symbol.iterator](): Generator<T> {
    for (const each of this.#all) {
      this.count++;
      yield each;
    }
  }
}

async function recordsIn(output: "json" | "yaml"): Promise<Records> {
  if (output === "json") return new JsonRecords();
  const { YamlRecords } = await import("./yaml_records.ts");
  return new YamlRecords();
}
