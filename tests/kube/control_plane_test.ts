/**
 * The control plane under the other tests is a real one.
 *
 * @module
 */

import assert from "node:assert/strict";
import { withControlPlane } from "./harness.ts";
import { kubernetesVersion } from "./tools.ts";

Deno.test("the control plane is of the pinned version, and assigns podCIDRs", async () => {
  await withControlPlane({ controllers: true }, async ({ admin }) => {
    const { gitVersion } = await admin.get("/version");
    assert.equal(gitVersion, kubernetesVersion());
    await admin.create("/api/v1/nodes", {
      kind: "Node",
      apiVersion: "v1",
      metadata: { name: "n1" },
    });
    const node = await admin.until(
      "/api/v1/nodes/n1",
      ({ spec }) => spec.podCIDRs?.length === 1,
      { what: "the controller-manager assigns podCIDRs" },
    );
    assert.match(node.spec.podCIDRs[0], /^10\.0\.\d+\.0\/24$/);
  });
});
