/**
 * `clusternet support-bundle --all`: the bundles of all Nodes in one, each asked
 * for in its agent's pod, and how they see each other. A few are held at a time,
 * packed; what is unpacked of them goes on file by file.
 *
 * @module
 */

import { ClusterView, digestOf } from "../core/cluster_view.ts";
import { forEachFew } from "../core/each.ts";
import { errorText, FatalError } from "../core/errors.ts";
import type { NodeRecord } from "../core/node.ts";
import { redacted } from "../core/redact.ts";
import { utcNow } from "../sys/clock.ts";
import { knownSecrets } from "../sys/known_secrets.ts";
import type { KubeAccess } from "../sys/kube_access.ts";
import { clusterText } from "../view/cluster_text.ts";
import { plainText } from "../view/plain_text.ts";
import { makePaint } from "../view/text.ts";
import { countText } from "../view/units.ts";
import { tarEnd, tarEntry, type TarFile } from "../wire/tar.ts";
import { askForStatus, podToAsk } from "./ask_agent.ts";
import { progressText } from "./ask_cluster.ts";
import {
  type OpenCluster,
  openCluster,
  patience,
  usualKubeconfig,
} from "./cluster_view.ts";
import { askForBundle, folderOf, nodeFiles } from "./support_node.ts";
import type { ClusterArguments } from "./support_options.ts";
import { timeName, writeBundle } from "./support_write.ts";
import { progress } from "./terminal.ts";

/** Bundles that are held at once. */
const AT_ONCE = 8;

/** Pairs that are told one by one; a whole rack that is away makes thousands. */
const BREAKS = 1_000;

/** Nodes that the last sentence names. */
const NAMED = 5;

/** A Node of which there is no bundle. */
export interface Missing {
  readonly node: string;
  /** The end of a sentence. */
  readonly why: string;
}

/** @returns the exit code */
export async function clusterBundle(
  wanted: ClusterArguments,
): Promise<number> {
  const { annotation, context, kubeconfig, output } = wanted;
  const { signal } = new AbortController(); // Ctrl-C ends the process
  const said = progress("asking the API server…");
  using cluster = await openCluster({ annotation, context, kubeconfig, signal })
    .finally(() => said[Symbol.dispose]());
  const nodes = chosen(cluster, wanted.nodes);
  const secrets = await secretsOf(kubeconfig, cluster.access);
  const now = new Date();
  const missing: Missing[] = [];
  const stem = `clusternet-cluster-${timeName(now)}`;
  const written = await writeBundle(
    output ?? `${stem}.tar.gz`,
    (signal) =>
      clusterTar({
        ...{ annotation, cluster, missing, nodes, secrets, signal, stem },
        mtimeSeconds: Math.floor(now.getTime() / 1_000),
      }),
  );
  if (missing.length > 0) {
    const sentence = missingSentence(missing, nodes.length);
    console.error(`clusternet: ${redacted(sentence, secrets)}`);
  }
  return written && missing.length === 0 ? 0 : 1;
}

/** @throws {FatalError} one sentence: one of them is not there */
function chosen(
  { nodes, server }: OpenCluster,
  names: readonly string[] | undefined,
): readonly NodeRecord[] {
  const sorted = nodes.toSorted((a, b) => a.name < b.name ? -1 : 1);
  if (names === undefined) return sorted;
  const unknown = names.filter((name) =>
    !nodes.some((node) => node.name === name)
  );
  if (unknown.length > 0) {
    throw new FatalError(
      `Cannot ask ${
        unknown.join(", ")
      }: the cluster at ${server} has no Node of that name`,
      1,
    );
  }
  return sorted.filter(({ name }) => names.includes(name));
}

/** Of the laptop: what its kubeconfig leads to, and what a program has given for it. */
async function secretsOf(
  given: string | undefined,
  access: KubeAccess,
): Promise<readonly string[]> {
  const env = Deno.env.toObject();
  const kubeconfig = given ?? usualKubeconfig() ?? env.KUBECONFIG;
  const known = await knownSecrets({ kubeconfig, privateKeyFile: "" }, env);
  const { authorization, clientKey } = await access.credentials().catch(
    (cause) => {
      throw new FatalError(errorText(cause), 1, { cause });
    },
  );
  const more = [
    authorization?.expose().replace(/^\w+ /, "") ?? "",
    clientKey?.expose() ?? "",
  ];
  return [...known, ...more.filter((text) => text !== "")];
}

export interface TarOptions {
  readonly annotation: string;
  readonly cluster: OpenCluster;
  /** Those to be asked. */
  readonly nodes: readonly NodeRecord[];
  /** Filled as it goes. */
  readonly missing: Missing[];
  readonly mtimeSeconds: number;
  readonly secrets: readonly string[];
  readonly signal: AbortSignal;
  readonly stem: string;
}

type Write = (file: TarFile) => Promise<void>;

/** Nobody is asked before the first of it is wanted, and no more once it is not. */
export async function* clusterTar(
  options: TarOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  const { readable, writable } = new TransformStream<
    Uint8Array<ArrayBuffer>,
    Uint8Array<ArrayBuffer>
  >();
  const writer = writable.getWriter();
  writer.closed.catch(() => {}); // `filled` says it
  // Waits until it is taken: what is not wanted yet is not unpacked.
  const write: Write = async (file) => await writer.write(tarEntry(file));
  const filled = fill({ ...options, signal }, write).then(
    () => writer.close(),
    (error) => writer.abort(error),
  );
  try {
    yield* readable;
    await filled;
    yield tarEnd();
  } finally {
    over.abort();
    await filled.catch(() => {}); // there is nobody left to be told
  }
}

async function fill(options: TarOptions, write: Write): Promise<void> {
  const { annotation, cluster, nodes, signal } = options;
  const { server } = cluster;
  const view = new ClusterView(
    { server, time: utcNow(), annotation },
    cluster.nodes,
  );
  using _said = progress("asking the agents…");
  const withinMs = patience(cluster.nodes.length);
  let asked = 0;
  let last = Promise.resolve();
  await forEachFew(nodes, { atOnce: AT_ONCE, signal }, async (node) => {
    const status = await askForStatus(cluster, node, {
      ...{ probe: true, signal, withinMs },
    });
    view.add(node.name, status);
    const pod = podToAsk(cluster, node);
    const bundle = typeof pod === "string"
      ? pod
      : await askForBundle(cluster, pod, signal);
    asked++;
    // One after the other, so that a Node's files stand together.
    last = last.then(() => writeNode(node, bundle, { ...options, write }));
    await last;
    const silent = options.missing.length;
    progress(progressText({ asked, nodes: nodes.length, silent }));
  });
  signal.throwIfAborted();
  for (const [name, text] of clusterFiles(view, options)) {
    await write(textFile(`cluster/${name}`, text, options));
  }
}

async function writeNode(
  node: NodeRecord,
  bundle: Uint8Array<ArrayBuffer> | string,
  options: TarOptions & { readonly write: Write },
): Promise<void> {
  const { missing, secrets, stem, write } = options;
  const folder = `nodes/${folderOf(node)}`;
  if (typeof bundle === "string") {
    missing.push({ node: node.name, why: bundle });
    const text = `(not to be had: ${bundle})\n`;
    await write(textFile(`${folder}/not-asked.txt`, text, options));
    return;
  }
  const files = nodeFiles(bundle, { folder: `${stem}/${folder}`, secrets });
  for await (const file of files) await write(file);
}

function textFile(
  name: string,
  text: string,
  { mtimeSeconds, secrets, stem }: TarOptions,
): TarFile {
  const data = new TextEncoder().encode(redacted(text, secrets));
  return { name: `${stem}/${name}`, data, mtimeSeconds };
}

/** All Nodes of the cluster, those too that were not to be asked. */
function* clusterFiles(
  view: ClusterView,
  { missing }: TarOptions,
): Generator<readonly [name: string, text: string]> {
  const breaks = digestOf(view.breaks(), { most: BREAKS });
  const { nodes } = view;
  const all = { ...view.head, nodes, missing, breaks };
  yield ["status.json", `${JSON.stringify(all, null, 2)}\n`];
  const { lines } = clusterText(view, {
    width: undefined,
    paint: makePaint(false),
  });
  yield ["status.txt", `${lines.join("\n")}\n`];
}

function missingSentence(
  missing: readonly Missing[],
  nodes: number,
): string {
  const some = missing.slice(0, NAMED).map(({ node, why }) =>
    `${node}: ${why}`
  );
  const more = missing.length - some.length;
  const rest = more > 0
    ? `; and ${countText(more)} more, which cluster/status.json names`
    : "";
  return plainText(
    `There is no bundle of ${countText(missing.length)} of ${
      countText(nodes)
    } Nodes: ${some.join("; ")}${rest}`,
  );
}
