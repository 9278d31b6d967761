/**
 * Text that is kept in `tests/golden/`. `CLUSTERNET_GOLDEN=write` writes what
 * the code says now, for a person to read before it is committed.
 *
 * @module
 */

import assert from "node:assert/strict";

const GOLDEN = new URL("../golden/", import.meta.url);

export function assertGolden(name: string, text: string): void {
  const file = new URL(name, GOLDEN);
  if (Deno.env.get("CLUSTERNET_GOLDEN") === "write") {
    Deno.writeTextFileSync(file, text);
  }
  assert.equal(text, Deno.readTextFileSync(file), `tests/golden/${name}`);
}
