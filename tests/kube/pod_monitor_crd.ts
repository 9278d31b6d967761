/**
 * The kind PodMonitor as Prometheus' operator defines it: a file of the Go module
 * that `tools/prometheus-operator/` pins by version and sum. Nothing of it is
 * built; 4 MB come once, into Go's own cache. A cluster's place has no network: a
 * file of tests that calls `podMonitorCrd(` has it fetched before.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MODULE = "github.com/prometheus-operator/prometheus-operator";
const PINNED = fileURLToPath(
  new URL("./tools/prometheus-operator", import.meta.url),
);
const FILE =
  "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml";

/** Does a file of tests want it? */
export function wantsPodMonitorCrd(file: string): boolean {
  return /\bpodMonitorCrd\(/.test(Deno.readTextFileSync(file));
}

/**
 * As YAML. Go compares the module with its sum, whether it has it already or not.
 *
 * @throws {Error} with what Go says
 */
export async function podMonitorCrd(): Promise<string> {
  const { stdout, stderr } = await new Deno.Command("go", {
    args: ["mod", "download", "-json", MODULE],
    cwd: PINNED,
    env: { GOFLAGS: "", GOTOOLCHAIN: "local" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array): string =>
    new TextDecoder().decode(bytes).trim();
  const said = text(stdout);
  const { Dir, Error: wrong } = said === "" ? {} : JSON.parse(said);
  if (typeof Dir === "string") {
    return await Deno.readTextFile(join(Dir, FILE));
  }
  throw new Error(
    `Cannot fetch the kind PodMonitor: go says: ${wrong ?? text(stderr)}`,
  );
}
