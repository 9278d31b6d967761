import assert from "node:assert/strict";
import { FrameSplitter } from "../../mod/wire/watch_frames.ts";
import { Random } from "../support/random.ts";

function framed(bodies: readonly Uint8Array[]): Uint8Array {
  const parts = bodies.flatMap((body) => [
    0,
    0,
    body.length >> 8,
    body.length & 255,
    ...body,
  ]);
  return Uint8Array.from(parts);
}

function frames(chunks: readonly Uint8Array[], limit?: number): number[][] {
  const splitter = new FrameSplitter(limit);
  return chunks.flatMap((chunk) =>
    [...splitter.push(chunk)].map((frame) => [...frame])
  );
}

Deno.test("FrameSplitter gives frames without their headers, in their order", () => {
  const bodies = [[1, 2, 3], [], [0], [255, 0, 0, 0, 1]].map((body) =>
    Uint8Array.from(body)
  );
  const bytes = framed(bodies);
  assert.deepEqual(frames([bytes]), bodies.map((body) => [...body]));
  assert.deepEqual(frames([bytes.subarray(0, -1)]).length, 3);
  assert.deepEqual(frames([new Uint8Array()]), []);
});

Deno.test("FrameSplitter gives the same frames however the bytes are cut", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed);
    const bodies = Array.from(
      { length: random.below(9) },
      () => random.bytes(random.pick([0, 1, 4, 30, 20_000])),
    );
    const bytes = framed(bodies);
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const size = random.pick([1, 2, 3, 4, 5, 100, 30_000]);
      // A copy that changes afterwards: nothing may still look at it.
      chunks.push(bytes.slice(at, at + size));
      at += size;
    }
    const splitter = new FrameSplitter();
    const found: number[][] = [];
    for (const chunk of chunks) {
      for (const frame of splitter.push(chunk)) found.push([...frame]);
      chunk.fill(0xaa);
    }
    assert.deepEqual(found, bodies.map((body) => [...body]), `seed ${seed}`);
    assert.equal(splitter.pending, 0);
  }
});

Deno.test("FrameSplitter refuses a frame past the limit, in one piece or many", () => {
  const bytes = framed([new Uint8Array(8), new Uint8Array(9)]);
  assert.throws(() => frames([bytes], 8), /a frame of more than 8 bytes/);
  const single = [...bytes].map((byte) => Uint8Array.of(byte));
  assert.throws(() => frames(single, 8), SyntaxError);
  assert.equal(frames([framed([new Uint8Array(8)])], 8).length, 1);
  const huge = Uint8Array.of(255, 255, 255, 255);
  assert.throws(() => frames([huge]), /a frame of more than 4194304 bytes/);
});

Deno.test("FrameSplitter holds no more than the frame that has begun", () => {
  const splitter = new FrameSplitter();
  const part = new Uint8Array(1_000_000);
  assert.deepEqual([...splitter.push(Uint8Array.of(0, 0x20, 0, 0))], []);
  assert.deepEqual([...splitter.push(part)], []);
  assert.equal(splitter.pending, 1_000_004);
});
