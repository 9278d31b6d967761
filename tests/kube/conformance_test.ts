/**
 * Kubernetes' own tests: a short list of them in every run, on two families. All
 * of them are run by `deno task conformance`, and listed in docs/conformance.md.
 *
 * @module
 */

import assert from "node:assert/strict";
import { inTurns } from "../lab/exec.ts";
import { conformanceCluster } from "./conformance_cluster.ts";
import { DOC, readCases } from "./conformance_doc.ts";
import { listCases, runCase } from "./e2e.ts";
import { newFolder, tellLogs } from "./harness.ts";
import { builtTools, kubernetesVersion } from "./tools.ts";

/** What a network is for; the others tell more of one of these, or of the API alone. */
const SHORT = [
  "Networking Granular Checks: Pods should function for intra-pod communication: http [NodeConformance] [Conformance]",
  "Networking Granular Checks: Pods should function for node-pod communication: udp [LinuxOnly] [NodeConformance] [Conformance]",
  "Services should be able to create a functioning NodePort service [Conformance]",
  "DNS should provide DNS for services [Conformance]",
  "[Feature:IPv6DualStack] Granular Checks: Services Secondary IP Family [LinuxOnly] should be able to handle large requests: udp",
].map((name) => `[sig-network] ${name}`);

/** At a time: they wait more than they work. */
const PARALLEL = 6;

Deno.test("Kubernetes' own tests of pods, hosts, Services and names pass on two families", async (t) => {
  const folder = newFolder();
  const told = (error: unknown): never => {
    tellLogs(folder);
    throw error;
  };
  await using cluster = await conformanceCluster({
    ...{ folder, family: "dual-stack", proxy: "nftables" },
  }).catch(told);
  const results = await inTurns(
    SHORT,
    (name) => runCase(cluster, name),
    PARALLEL,
  );
  for (const { name, outcome, reason, output } of results) {
    await t.step(name, () => {
      if (outcome !== "passed") console.log(output);
      assert.equal(outcome, "passed", reason);
    });
  }
});

Deno.test("docs/conformance.md has just the cases that e2e.test has, each passed or with a reason", async () => {
  const { conformance, dualStack } = await listCases(
    await builtTools(),
    newFolder(),
  );
  const page = await Deno.readTextFile(DOC);
  assert.ok(page.includes(`Kubernetes ${kubernetesVersion()}`));
  const cases = readCases(page);
  assert.deepEqual([...cases.keys()], [...conformance, ...dualStack].sort());
  for (const [name, outcomes] of cases) {
    const single = dualStack.includes(name) ? "-" : "passed";
    for (const [family, outcome] of Object.entries(outcomes)) {
      const wanted = family === "dual-stack" ? "passed" : single;
      assert.match(outcome, new RegExp(`^(${wanted}|skipped: .+)$`), name);
    }
  }
});
