import assert from "node:assert/strict";
import { redacted } from "../../mod/core/redact.ts";

const SECRET = "s3cr3t-of-nobody";

/** Values as they stand in a file; with a quote and a backslash inside as well. */
const DOCUMENTS = [
  { api_token: SECRET },
  { password: `${SECRET}"${SECRET}`, after: "x" },
  { command: `tool --password=${SECRET}`, after: "x" },
  { said: `"token": ${SECRET}\\` },
  { "client-key-data": `\\${SECRET}\\`, after: "x" },
];

Deno.test("redacted() finds a named secret in JSON that stands in JSON, however deep, and leaves JSON", () => {
  for (const document of DOCUMENTS) {
    let text = JSON.stringify(document);
    for (const depth of [0, 1, 2, 3]) {
      const clean = redacted(text, []);
      assert.ok(!clean.includes(SECRET), `${depth} deep: ${clean}`);
      assert.doesNotThrow(() => JSON.parse(clean), clean);
      text = JSON.stringify({ output: text });
    }
  }
});

Deno.test("redacted() takes bare and quoted values after a name that says so", () => {
  for (const value of [SECRET, `"${SECRET}"`, `'${SECRET}'`]) {
    for (const sign of [": ", "="]) {
      const clean = redacted(`a\npassword${sign}${value}\nb`, []);
      assert.ok(!clean.includes(SECRET), clean);
      assert.match(clean, /^a\npassword.*redacted.*\nb$/);
    }
  }
});

Deno.test("redacted() leaves JSON that says whether there is a secret, and takes one that begins like it", () => {
  const document = { presharedKey: false, token: null, secret: true };
  const text = JSON.stringify(document);
  assert.equal(redacted(text, []), text);
  assert.equal(redacted("token: trueish-secret", []), "token: (redacted)");
});

Deno.test("redacted() a second time changes nothing", () => {
  const text = [
    `https://joe:${SECRET}@api bearer ${SECRET}`,
    `preshared key: (hidden)`,
    JSON.stringify({ token: SECRET, said: { password: SECRET } }),
    `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----`,
  ].join("\n");
  const once = redacted(text, [SECRET]);
  assert.equal(redacted(once, [SECRET]), once);
});
