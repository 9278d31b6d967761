import assert from "node:assert/strict";
import { expiryOf } from "../../mod/wire/web_token.ts";

const part = (value: unknown): string =>
  new TextEncoder().encode(JSON.stringify(value)).toBase64({
    alphabet: "base64url",
    omitPadding: true,
  });

Deno.test("expiryOf() reads exp of a token, and nothing of what is none", () => {
  const head = part({ alg: "RS256" });
  assert.equal(expiryOf(`${head}.${part({ exp: 12 })}.c2ln`), 12_000);
  for (
    const token of [
      "",
      "abc",
      "a.b.c",
      `${head}.${part({})}.c2ln`,
      `${head}.${part({ exp: "12" })}.c2ln`,
      `${head}.${part(null)}.c2ln`,
    ]
  ) assert.equal(expiryOf(token), undefined, token);
});
