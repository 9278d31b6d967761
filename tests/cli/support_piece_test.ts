import assert from "node:assert/strict";
import {
  type Piece,
  PIECE_LENGTH,
  textOf,
} from "../../mod/cli/support_piece.ts";

const SECRET = "s3cr3t-of-nobody";

/** More than fits, of numbered lines; with a secret on either side of both cuts. */
function lines(): string {
  const row = `line ${SECRET} end\n`;
  return row.repeat(Math.ceil((2.5 * PIECE_LENGTH) / row.length));
}

function piece(keep: Piece["keep"] & string): Piece {
  return { name: "x.txt", keep, text: () => Promise.resolve(lines()) };
}

for (const keep of ["first", "last"] as const) {
  Deno.test(`textOf() cuts a long piece to its ${keep} lines, whole ones, and no secret in halves`, async () => {
    const text = await textOf(piece(keep), [SECRET]);
    assert.ok(text.length <= PIECE_LENGTH + 100);
    assert.ok(text.length > PIECE_LENGTH - 100);
    const rows = text.trimEnd().split("\n");
    const note = keep === "first" ? rows.pop() : rows.shift();
    assert.match(note ?? "", /^\(cut: \d+ characters\)$/);
    assert.deepEqual([...new Set(rows)], ["line (redacted) end"]);
  });
}

Deno.test("textOf() leaves whole what is of use as a whole only", async () => {
  const text = await textOf(piece("all"), [SECRET]);
  assert.equal(text, lines().replaceAll(SECRET, "(redacted)"));
});

Deno.test("textOf() says why a piece cannot be had, without a secret", async () => {
  const text = await textOf({
    name: "x.txt",
    text: () => Promise.reject(new Error(`no answer to ${SECRET}`)),
  }, [SECRET]);
  assert.equal(text, "(not to be had: no answer to (redacted))\n");
});
