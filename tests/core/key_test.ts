import assert from "node:assert/strict";
import { inspect } from "node:util";
import nacl from "tweetnacl";
import {
  derivePublicKey,
  parsePublicKey,
  PrivateKey,
  publicKeyBytes,
  publicKeyFromBytes,
} from "../../mod/core/key.ts";
import { Random } from "../support/random.ts";

Deno.test("derivePublicKey() agrees with RFC 7748, section 6.1", async () => {
  const alice = PrivateKey.parse(
    "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=",
  );
  assert.equal(
    await derivePublicKey(alice),
    "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=",
  );
});

Deno.test("derivePublicKey() agrees with TweetNaCl", async () => {
  const random = new Random(1);
  for (let round = 0; round < 100; round++) {
    const bytes = random.bytes(32);
    assert.deepEqual(
      publicKeyBytes(await derivePublicKey(PrivateKey.fromBytes(bytes))),
      nacl.scalarMult.base(bytes),
    );
  }
});

Deno.test("a private key prints as a placeholder, whatever prints it", () => {
  const secret = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
  const key = PrivateKey.parse(secret);
  const texts = [
    String(key),
    `${key}`,
    JSON.stringify({ key }),
    inspect({ key }, { depth: 9, showHidden: true }),
    Deno.inspect({ key }, { depth: 9, showHidden: true }),
    Object.values(key).join(),
  ];
  for (const text of texts) {
    assert(!text.includes(secret.slice(0, 8)), text);
    assert(!text.includes("119"), text);
  }
});

Deno.test("PrivateKey.parse() does not repeat what it was given", () => {
  for (const text of ["", "short", "x".repeat(44), "A".repeat(43) + "="]) {
    assert.throws(() => PrivateKey.parse(text), (error: unknown) => {
      assert(error instanceof SyntaxError);
      assert(text === "" || !error.message.includes(text));
      return true;
    });
  }
});

Deno.test("parsePublicKey() takes only the one spelling of 32 bytes", () => {
  const good = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
  assert.equal(parsePublicKey(good), good);
  const rows = [
    "",
    good.slice(1),
    good.replace("/", "_"),
    `${good}\n`,
    ` ${good}`,
    good.replace("mo=", "mp="), // the same bytes with stray bits
    "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTg==", // 31 bytes
  ];
  for (const text of rows) {
    assert.throws(() => parsePublicKey(text), SyntaxError, text);
  }
});

Deno.test("parsePublicKey() refuses points of low order, top bit set or not", () => {
  const hex = [
    "00".repeat(32),
    `01${"00".repeat(31)}`,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    `ec${"ff".repeat(30)}7f`,
    `ed${"ff".repeat(30)}7f`,
    `ee${"ff".repeat(30)}7f`,
  ];
  for (const text of hex) {
    const bytes = Uint8Array.from(
      text.match(/../g) ?? [],
      (b) => parseInt(b, 16),
    );
    for (const top of [0, 0x80]) {
      bytes[31] = ((bytes[31] ?? 0) & 0x7f) | top;
      assert.throws(
        () => parsePublicKey(publicKeyFromBytes(bytes)),
        /low order/,
        text,
      );
    }
  }
});
