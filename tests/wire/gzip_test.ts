import assert from "node:assert/strict";
import { gunzipSync, gzipSync } from "node:zlib";
import { gunzipped, gzipped, isGzip } from "../../mod/wire/gzip.ts";

const TEXT = "größer als ASCII 🙂\n".repeat(10_000);

Deno.test("gzipped() is what zlib reads, and gunzipped() reads what zlib writes", async () => {
  const packed = await gzipped(TEXT);
  assert.ok(isGzip(packed) && packed.length < TEXT.length / 20);
  assert.equal(new TextDecoder().decode(gunzipSync(packed)), TEXT);
  const theirs = new Uint8Array(gzipSync(TEXT));
  const { byteLength } = new TextEncoder().encode(TEXT);
  assert.equal(await gunzipped(theirs, byteLength), TEXT);
  await assert.rejects(gunzipped(theirs, byteLength - 1), SyntaxError);
});

Deno.test("gunzipped() refuses what is damaged, cut off or none at all", async () => {
  const packed = await gzipped(TEXT);
  const damaged = packed.with(packed.length >> 1, packed[0] ?? 0)
    .with((packed.length >> 1) + 1, 0xff);
  for (
    const bytes of [damaged, packed.slice(0, -9), new Uint8Array([1, 2, 3])]
  ) {
    await assert.rejects(gunzipped(bytes, 1e9), SyntaxError);
  }
});

Deno.test("isGzip() tells a text from a packed one", () => {
  for (const text of ["", "{", "\u001f"]) {
    assert.equal(isGzip(new TextEncoder().encode(text)), false);
  }
});
