/**
 * What docs/doctor.md says that `clusternet doctor` prints in the agent's pod.
 *
 * @module
 */

import assert from "node:assert/strict";

export function readDiagnosis(): string {
  const page = Deno.readTextFileSync(
    new URL("../../docs/doctor.md", import.meta.url),
  );
  const [, text] = /<!-- in a pod[^>]*-->\s+```\n([\s\S]*?)```/.exec(page) ??
    [];
  assert.ok(text !== undefined, "docs/doctor.md shows no doctor in a pod");
  return text;
}
