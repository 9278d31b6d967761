/**
 * `deno task cluster`, as a person uses it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Child, must } from "../lab/exec.ts";
import { mustOwnPlace } from "./own_place.ts";
import { builtTools } from "./tools.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));

Deno.test("deno task cluster prints a kubeconfig that works, and ends on Ctrl-C with nothing left", async () => {
  // A long one, as that of a whole run of all tests is.
  const folder = `${mustOwnPlace().folder}/${"long-".repeat(20)}name`;
  Deno.mkdirSync(folder);
  const before = sockets();
  const cluster = new Child("the cluster", [
    Deno.execPath(),
    ...["run", "--allow-all", "--no-check", "--quiet", MAIN],
    ...["--nodes", "1", "--proxy", "none"],
  ], { env: { TMPDIR: folder } });
  try {
    await cluster.line(/it stands; Ctrl-C ends it/, { withinMs: 120_000 });
    const line = await cluster.line(/export KUBECONFIG=/);
    const kubeconfig = line.replace(/^.*=/, "");
    const kubectl = (await builtTools()).path("kubectl");
    const said = await must([
      ...[kubectl, "--kubeconfig", kubeconfig, "get", "pods", "-o=wide"],
    ]);
    assert.match(said, /^a +1\/1 +Running .* n1 /m);
    assert.match(said, /^b +1\/1 +Running /m);
    // The command that is printed for a shell on the node, with another program.
    const shell = await cluster.line(/nsenter .*# n1$/);
    const links = await must([
      ...["sh", "-c", `${shell.replace(/#.*$/, "")} ip -o link`],
    ]);
    assert.match(links, /: clusternet:/);
    assert.equal(await cluster.stop("SIGINT", 30_000), 130);
    assert.equal(cluster.lines.at(-1), "cluster: everything is taken down");
    assert.deepEqual(left(folder), []);
    assert.deepEqual(sockets(), before);
  } finally {
    await cluster.stop("SIGKILL");
  }
});

/** Where `deno task cluster` puts the one that joins it to the loopback. */
function sockets(): readonly string[] {
  return [...Deno.readDirSync("/tmp")].map(({ name }) => name)
    .filter((name) => name.startsWith("clusternet-api-")).sort();
}

/** Its folder was to go. */
function left(folder: string): readonly string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.startsWith("clusternet-kube-"));
}
