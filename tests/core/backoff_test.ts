import assert from "node:assert/strict";
import { backoff } from "../../mod/core/backoff.ts";

const LIMITS = { baseMs: 100, maxMs: 30_000 };

Deno.test("backoff() doubles, stays under its limit and is never at once", () => {
  const rows: [number, number, number][] = [
    [0, 0, 50],
    [0, 0.999999, 100],
    [1, 0, 100],
    [4, 0.5, 1200],
    [20, 0, 15_000],
    [5000, 0.999999, 30_000],
  ];
  for (const [attempt, random, expected] of rows) {
    assert.equal(backoff(attempt, random, LIMITS), expected);
  }
});
