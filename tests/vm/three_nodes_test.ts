/**
 * Three nodes on the kernel's WireGuard, real agents, pods by CNI: every pod reaches every pod,
 * nothing in clear; the same that the demo shows.
 *
 * @module
 */

import assert from "node:assert/strict";
import { addPods, assertProof, startCapture } from "../lab/harness.ts";
import { chooseCells, isGood, measure } from "../lab/matrix.ts";
import { matrixText } from "../lab/matrix_text.ts";
import { makePaint } from "../lab/paint.ts";
import type { Family } from "../lab/plan.ts";
import { guestLabTest } from "./guest_lab.ts";
import { sleep } from "./in_guest.ts";

const VARIANTS: readonly {
  readonly name: string;
  readonly underlay: readonly Family[];
  readonly pods: readonly Family[];
}[] = [
  { name: "IPv4", underlay: [4], pods: [4] },
  { name: "dual stack over IPv6", underlay: [6], pods: [4, 6] },
];

for (const { name, underlay, pods } of VARIANTS) {
  guestLabTest(
    `every pod reaches every pod on the kernel's WireGuard: ${name}`,
    {
      underlay,
      pods,
    },
    async (lab) => {
      assert.equal(lab.settings.wireguard.backend, "kernel");
      const capture = await startCapture(lab);
      await addPods(lab, 2);
      // Duplicate address detection (RFC 4862) of the pods' addresses: one second.
      if (pods.includes(6)) await sleep(3000);
      const { cells, all } = chooseCells(lab.nodes, lab.settings.plan.seed);
      // One ping of each size: it is the path that is looked at, and emulated each takes long.
      const results = await measure(cells, { count: 1 });
      const text = matrixText(results, { all, paint: makePaint(false) });
      console.log(text);
      assert.ok(results.every(isGood), text);
      await assertProof(capture);
    },
  );
}
