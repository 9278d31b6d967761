import assert from "node:assert/strict";
import { writeNewFile } from "../../mod/sys/new_file.ts";
import { tempDir } from "../support/temp_dir.ts";

type Pieces = AsyncGenerator<Uint8Array<ArrayBuffer>>;

const never = new AbortController().signal;

function stream(
  make: () => Pieces,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(make());
}

function namesIn(path: string): readonly string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name);
}

Deno.test("writeNewFile() asks for a piece once the last is written, and shows the file when it is whole, to its owner alone", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/new`;
  const draft = `${dir.path}/.new.clusternet-new`;
  const piece = new Uint8Array(100_000).fill(65);
  const seen: number[] = [];
  await writeNewFile(
    path,
    stream(async function* (): Pieces {
      for (let at = 0; at < 5; at++) {
        assert.deepEqual(namesIn(dir.path), [".new.clusternet-new"]);
        seen.push(Deno.statSync(draft).size / piece.length);
        yield await Promise.resolve(piece);
      }
    }),
    never,
  );
  assert.deepEqual(namesIn(dir.path), ["new"]);
  assert.equal(Deno.readFileSync(path).length, 5 * piece.length);
  assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
  for (const [at, written] of seen.entries()) {
    assert.ok(at - written <= 2, `piece ${at} with ${written} written`);
  }
});

Deno.test("writeNewFile() leaves nothing where a piece fails, or somebody ends it", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/new`;
  const failing = stream(async function* (): Pieces {
    yield await Promise.resolve(new Uint8Array(10));
    throw new Error("no second piece");
  });
  await assert.rejects(writeNewFile(path, failing, never), /no second piece/);
  assert.deepEqual(namesIn(dir.path), []);
  const end = new AbortController();
  const endless = stream(async function* (): Pieces {
    for (;; end.abort(new Error("ended"))) {
      yield await Promise.resolve(new Uint8Array(10));
    }
  });
  await assert.rejects(writeNewFile(path, endless, end.signal), /ended/);
  assert.deepEqual(namesIn(dir.path), []);
});

Deno.test("writeNewFile() leaves what is there as it is, a link to nowhere too, and asks for no piece", async () => {
  await using dir = await tempDir();
  Deno.writeTextFileSync(`${dir.path}/file`, "mine");
  Deno.symlinkSync("/nowhere", `${dir.path}/link`);
  for (const name of ["file", "link"]) {
    let asked = false;
    const content = stream(async function* (): Pieces {
      asked = true;
      yield await Promise.resolve(new Uint8Array(10));
    });
    await assert.rejects(
      writeNewFile(`${dir.path}/${name}`, content, never),
      /there is one of that name already/,
    );
    await content.cancel();
    assert.equal(asked, false);
  }
  assert.deepEqual(namesIn(dir.path).toSorted(), ["file", "link"]);
  assert.equal(Deno.readTextFileSync(`${dir.path}/file`), "mine");
});

Deno.test("writeNewFile() takes away what a killed run left, and gives way to who was faster", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/new`;
  Deno.writeTextFileSync(`${dir.path}/.new.clusternet-new`, "half");
  const content = stream(async function* (): Pieces {
    Deno.writeTextFileSync(path, "faster");
    yield await Promise.resolve(new Uint8Array(10));
  });
  await assert.rejects(
    writeNewFile(path, content, never),
    Deno.errors.AlreadyExists,
  );
  assert.deepEqual(namesIn(dir.path), ["new"]);
  assert.equal(Deno.readTextFileSync(path), "faster");
});
