/**
 * Pieces of a support bundle that tell of the machine: its kernel, its system,
 * and its Node. Read without any program: in the agent's image there is none.
 *
 * @module
 */

import type { Config } from "../core/config.ts";
import { systemClock as clock } from "../sys/clock.ts";
import { DoctorApi } from "../sys/doctor_api.ts";
import { openKubeAccess } from "../sys/kube_auth.ts";
import { mustReadProc } from "../sys/proc_file.ts";
import { property } from "../wire/json.ts";
import { openShim } from "./setup.ts";
import type { Piece } from "./support_piece.ts";

/** Files of /proc, by name in the bundle. */
const PROC: readonly (readonly [name: string, path: string])[] = [
  ["system/mounts.txt", "/proc/self/mounts"],
  ["system/limits.txt", "/proc/self/limits"],
  ["system/memory.txt", "/proc/meminfo"],
  ["system/modules.txt", "/proc/modules"],
];

/** Milliseconds for the API server. */
const NODE_MS = 10_000;

export function systemPieces(config: Config): readonly Piece[] {
  return [
    { name: "system/uname.txt", text: uname },
    { name: "system/os-release.txt", text: osRelease },
    { name: "system/node.json", text: () => nodeOf(config) },
    ...PROC.map(([name, path]): Piece => ({
      name,
      text: async () => mustReadProc(path, await openShim()),
    })),
  ];
}

/** As `uname -a` has it. */
async function uname(): Promise<string> {
  const shim = await openShim();
  const words = ["ostype", "hostname", "osrelease", "version"].map((name) =>
    mustReadProc(`/proc/sys/kernel/${name}`, shim).trim()
  );
  return `${[...words, Deno.build.arch].join(" ")}\n`;
}

async function osRelease(): Promise<string> {
  try {
    return await Deno.readTextFile("/etc/os-release");
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    // Without the cause, which says the same.
    throw new Error(
      "there is no /etc/os-release here, as in the agent's image; system/node.json has the node's system, as its kubelet says it",
    );
  }
}

/** What its kubelet and others say of it; of its annotations only ours. */
async function nodeOf(config: Config): Promise<string> {
  const { annotation, kubeconfig, nodeName, server } = config;
  const access = await openKubeAccess({ kubeconfig, server, clock });
  const signal = AbortSignal.timeout(NODE_MS);
  const node = await new DoctorApi(access, { clock, signal }).node(nodeName);
  if (node === undefined) throw new Error(`there is no Node ${nodeName}`);
  const [metadata, spec, status] = ["metadata", "spec", "status"].map((part) =>
    property(node, part)
  );
  const annotations = property(metadata, "annotations");
  const shown = {
    name: property(metadata, "name"),
    uid: property(metadata, "uid"),
    creationTimestamp: property(metadata, "creationTimestamp"),
    [annotation]: property(annotations, annotation),
    podCIDRs: property(spec, "podCIDRs"),
    taints: property(spec, "taints"),
    unschedulable: property(spec, "unschedulable"),
    addresses: property(status, "addresses"),
    conditions: property(status, "conditions"),
    nodeInfo: property(status, "nodeInfo"),
  };
  return `${JSON.stringify(shown, null, 2)}\n`;
}
