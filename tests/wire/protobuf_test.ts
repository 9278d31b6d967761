import assert from "node:assert/strict";
import { Fields, sameBytes, textAt } from "../../mod/wire/protobuf.ts";
import { ProtobufWriter } from "../fakes/protobuf_writer.ts";
import { Random } from "../support/random.ts";

function hex(text: string): Uint8Array {
  const digits = text.replaceAll(/#.*$/gm, "").replaceAll(/\s/g, "");
  return Uint8Array.fromHex(digits);
}

function all(bytes: Uint8Array): (readonly [number, string])[] {
  const fields = new Fields(bytes);
  const found: (readonly [number, string])[] = [];
  while (fields.next()) {
    const value = fields.start < 0
      ? String(fields.integer())
      : JSON.stringify(textAt(bytes, fields, 256));
    found.push([fields.field, value]);
  }
  return found;
}

Deno.test("Fields reads the examples of protobuf.dev, all wire types", () => {
  assert.deepEqual(all(hex("08 96 01")), [[1, "150"]]);
  assert.deepEqual(
    all(hex("12 07 74 65 73 74 69 6e 67")),
    [[2, '"testing"']],
  );
  const rows = hex(`
    0d 01020304          # 1, I32: passed over
    11 0102030405060708  # 2, I64: passed over
    18 ff ff ff ff ff ff ff ff ff 01   # 3, varint: -1
    22 00                # 4, empty
    a2 06 01 61          # 100, "a"
  `);
  assert.deepEqual(all(rows), [
    [1, "undefined"],
    [2, "undefined"],
    [3, "-1"],
    [4, '""'],
    [100, '"a"'],
  ]);
});

Deno.test("Fields gives back the numbers that were written", () => {
  const rows = [0, 1, 127, 128, 300, 2 ** 31, 2 ** 32, 1_763_823_600, 2 ** 52];
  for (const value of [...rows, ...rows.map((one) => -one || 0)]) {
    const fields = new Fields(new ProtobufWriter().integer(9, value).bytes());
    assert(fields.next());
    assert.equal(fields.integer(), value);
    assert(!fields.next());
  }
});

Deno.test("Fields gives back values of every length", () => {
  for (const length of [0, 1, 126, 127, 128, 129, 16_383, 16_384, 70_000]) {
    const value = new Uint8Array(length).fill(7);
    const writer = new ProtobufWriter().blob(3, value).integer(1, 5);
    const bytes = writer.bytes();
    const fields = new Fields(bytes);
    assert(fields.next() && fields.is(3));
    assert.equal(fields.stop - fields.start, length);
    assert(sameBytes(bytes, fields, value));
    assert(!sameBytes(bytes, fields, new Uint8Array(length + 1)));
    assert(fields.next());
    assert.equal(fields.integer(), 5);
  }
});

Deno.test("Fields refuses what is cut off or no message, with a SyntaxError", () => {
  const rows = [
    "08", // a key without its varint
    "08 96", // a varint that does not end
    "12 07 74", // fewer bytes than said
    "12", // no length
    "12 ff ff ff ff 0f", // more than there are
    "12 ff ff ff ff ff ff ff ff ff 01",
    "0d 01 02 03", // 3 of 4 bytes
    "11 01", // 1 of 8
    "0b", // a group
    "0f", // no wire type
    "00 01", // field 0
    "02 00", // field 0, with a length
    "80", // half a key
    "08 ff ff ff ff ff ff ff ff ff ff 01", // 11 bytes
  ];
  for (const text of rows) {
    assert.throws(() => all(hex(text)), SyntaxError, text);
  }
});

Deno.test("Fields stays within the message that it was given", () => {
  const inner = new ProtobufWriter().text(1, "x").bytes();
  const bytes = new Uint8Array([...inner, 0x12, 0x01, 0x61]);
  const fields = new Fields(bytes, 0, inner.length);
  assert(fields.next());
  assert(!fields.next());
  // The value says that it goes on behind the end.
  const long = new Fields(Uint8Array.of(0x0a, 0x03, 0x61, 0x62, 0x63), 0, 3);
  assert.throws(() => long.next(), SyntaxError);
});

Deno.test("textAt() keeps every character, and is cut at the limit", () => {
  const texts = ["", "a", "ä€𝔾", "\ufeffbom", "\0", "x".repeat(300)];
  for (const text of [...texts, "€".repeat(300), "𝔾".repeat(300)]) {
    const bytes = new TextEncoder().encode(text);
    const span = { start: 0, stop: bytes.length };
    assert.equal(textAt(bytes, span, 1_000), text);
    assert.equal(textAt(bytes, span, 7), text.slice(0, 7));
    assert.equal(textAt(bytes, span, 256), text.slice(0, 256));
  }
});

Deno.test("whatever the bytes, Fields comes to an end, within them", () => {
  for (let seed = 1; seed <= 20_000; seed++) {
    const random = new Random(seed);
    const bytes = random.bytes(random.below(60));
    const fields = new Fields(bytes);
    try {
      for (let count = 0; fields.next(); count++) {
        assert(count <= bytes.length, `seed ${seed}`);
        fields.integer();
        if (fields.start < 0) continue;
        assert(fields.start <= fields.stop, `seed ${seed}`);
        assert(fields.stop <= bytes.length, `seed ${seed}`);
      }
    } catch (error) {
      assert(error instanceof SyntaxError, `seed ${seed}`);
    }
  }
});
