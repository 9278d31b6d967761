import assert from "node:assert/strict";
import { LineSplitter } from "../../mod/wire/watch_lines.ts";
import { Random } from "../support/random.ts";

function lines(chunks: readonly Uint8Array[], limit?: number): string[] {
  const splitter = new LineSplitter(limit);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const found: string[] = [];
  for (const chunk of chunks) {
    for (const line of splitter.push(chunk)) found.push(decoder.decode(line));
  }
  return found;
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

Deno.test("LineSplitter gives lines, without their ends and without empty ones", () => {
  const rows: readonly (readonly [readonly string[], readonly string[]])[] = [
    [["a\nb\n"], ["a", "b"]],
    [["a\r\nb\r\n"], ["a", "b"]],
    [["a\r", "\nb"], ["a"]],
    [["\n\n\r\na\n"], ["a"]],
    [["a", "b", "c\n"], ["abc"]],
    [["a\rb\n"], ["a\rb"]],
    [["\0\n"], ["\0"]],
    [["truncated"], []],
    [[""], []],
  ];
  for (const [chunks, expected] of rows) {
    assert.deepEqual(lines(chunks.map(encode)), expected, chunks.join("|"));
  }
});

Deno.test("LineSplitter gives the same lines however the bytes are cut", () => {
  const alphabet = ["a", "{", '"', "\r", "\n", "\r\n", "ä", "€", "𝔾", "\0"];
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed);
    const text = Array.from(
      { length: random.below(400) },
      () => random.pick(alphabet),
    ).join("");
    const bytes = encode(text);
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const size = random.below(random.pick([2, 9, 200])) + 1;
      chunks.push(bytes.slice(at, at + size));
      at += size;
    }
    const expected = text.split("\n").slice(0, -1)
      .map((line) => line.endsWith("\r") ? line.slice(0, -1) : line)
      .filter((line) => line !== "");
    assert.deepEqual(lines(chunks), expected, `seed ${seed}`);
  }
});

Deno.test("LineSplitter refuses a line past the limit, in one piece or many", () => {
  assert.deepEqual(lines([encode("1234\n1234\n")], 4), ["1234", "1234"]);
  assert.throws(() => lines([encode("12345\n")], 4), SyntaxError);
  assert.throws(() => lines([encode("123"), encode("45")], 4), SyntaxError);
  const splitter = new LineSplitter();
  const chunk = new Uint8Array(1).fill(0x61);
  assert.throws(() => {
    for (let at = 0; at < 20 * 1024 * 1024; at++) {
      for (const _ of splitter.push(chunk)) assert.fail();
    }
  }, /more than 4194304 bytes/);
  assert.equal(splitter.pending, 0);
});
