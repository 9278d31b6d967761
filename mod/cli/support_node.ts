/**
 * One Node's bundle, as its agent's pod has given it, made part of a cluster's:
 * it may be anything, so nothing of it is passed on before all of it is seen to
 * be one.
 *
 * @module
 */

import type { NodeRecord } from "../core/node.ts";
import { redacted } from "../core/redact.ts";
import { AGENT_PROGRAM, type AgentPod } from "../sys/kube_pods.ts";
import { plainText } from "../view/plain_text.ts";
import type { TarFile } from "../wire/tar.ts";
import { readTar, type TarLimits } from "../wire/tar_read.ts";
import { inTime, placeOf, whyNoAnswer } from "./ask_agent.ts";
import { type OpenCluster, patience } from "./cluster_view.ts";

/** Milliseconds for one: its diagnosis probes every peer. */
const BUNDLE_MS = 90_000;

/** Bytes of one, packed. */
export const PACKED_BYTES = 16 * 1024 * 1024;

/** Unpacked: status, snapshot and diagnosis of 5,000 Nodes, and a MiB of each piece. */
const LIMITS: TarLimits = {
  entries: 200,
  fileBytes: 32 * 1024 * 1024,
  totalBytes: 96 * 1024 * 1024,
};

type Packed = Uint8Array<ArrayBuffer>;

/** @returns why there is none, the end of a sentence. Never rejects, unless it is all over. */
export async function askForBundle(
  { nodes, pods }: Pick<OpenCluster, "nodes" | "pods">,
  pod: AgentPod,
  signal: AbortSignal,
): Promise<Packed | string> {
  const withinMs = patience(nodes.length, BUNDLE_MS);
  const command = [AGENT_PROGRAM, "support-bundle", "--output", "-"];
  const said = await inTime(
    pod,
    { signal, withinMs },
    (signal) => pods.runForBytes(pod, command, { limit: PACKED_BYTES, signal }),
  );
  if (typeof said === "string") return plainText(said);
  const place = placeOf(pod);
  const { code, stdout } = said;
  if (code !== 0) return plainText(whyNoAnswer(place, "support-bundle", said));
  try {
    await checkBundle(stdout);
    return stdout;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return `what its ${place} gives is no bundle: ${plainText(error.message)}`;
  }
}

/** @throws {SyntaxError} why it is none, as the end of a sentence */
export async function checkBundle(packed: Packed): Promise<void> {
  let folder: string | undefined;
  for await (const { name } of filesOf(packed)) {
    const [first = ""] = name.split("/");
    folder ??= first;
    if (first !== folder || name === first) {
      throw new SyntaxError(
        `it holds a file outside of its folder, ${JSON.stringify(name)}`,
      );
    }
  }
  if (folder === undefined) throw new SyntaxError("it is empty");
}

/**
 * Its files below another folder, once more without what is known to be secret
 * here: a Node's agent may be of a version that knew less.
 *
 * @param packed one that `checkBundle()` has seen
 */
export async function* nodeFiles(
  packed: Packed,
  { folder, secrets }: {
    readonly folder: string;
    readonly secrets: readonly string[];
  },
): AsyncGenerator<TarFile> {
  for await (const { data, mtimeSeconds, name } of filesOf(packed)) {
    const text = redacted(new TextDecoder().decode(data), secrets);
    yield {
      name: `${folder}/${name.slice(name.indexOf("/") + 1)}`,
      data: new TextEncoder().encode(text),
      mtimeSeconds,
    };
  }
}

async function* filesOf(packed: Packed): AsyncGenerator<TarFile> {
  const unpacked = ReadableStream.from([packed]).pipeThrough(
    new DecompressionStream("gzip"),
  );
  try {
    yield* readTar(unpacked, LIMITS);
  } catch (cause) {
    if (cause instanceof SyntaxError) throw cause;
    throw new SyntaxError("it is not packed by gzip, or damaged", { cause });
  } finally {
    // Done already, where all of it was read.
    await unpacked.cancel().catch(() => {});
  }
}

/** A folder for each, which no other has: a name is a DNS subdomain where the API server checks it. */
export function folderOf({ name }: Pick<NodeRecord, "name">): string {
  return /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name)
    ? name
    : `_${new TextEncoder().encode(name).toHex().slice(0, 200)}`;
}
