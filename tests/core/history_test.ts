import assert from "node:assert/strict";
import { History, HISTORY_LIMIT } from "../../mod/core/history.ts";

Deno.test("History keeps the last entries, and no more", () => {
  const history = new History(() => 0);
  for (let n = 0; n < HISTORY_LIMIT + 50; n++) history.add("peer", `n${n}`);
  const entries = history.entries();
  assert.equal(entries.length, HISTORY_LIMIT);
  assert.equal(entries[0]?.text, "n50");
  assert.equal(entries.at(-1)?.text, `n${HISTORY_LIMIT + 49}`);
});

Deno.test("History counts what happens again in a row, with the time of the last", () => {
  let now = 0;
  const history = new History(() => now);
  for (const text of ["a", "a", "a", "b", "a"]) {
    history.add("node", text);
    now += 1_000;
  }
  assert.deepEqual(
    history.entries().map(({ text, times, time }) => [text, times, time]),
    [
      ["a", 3, "1970-01-01T00:00:02Z"],
      ["b", 1, "1970-01-01T00:00:03Z"],
      ["a", 1, "1970-01-01T00:00:04Z"],
    ],
  );
});

Deno.test("History cuts sentences that others made long", () => {
  const history = new History(() => 0);
  history.add("node", "x".repeat(100_000));
  assert.ok((history.entries()[0]?.text.length ?? 0) <= 300);
});
