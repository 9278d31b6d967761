import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { tarEnd, tarEntry, type TarFile } from "../../mod/wire/tar.ts";
import { readTar, type TarLimits } from "../../mod/wire/tar_read.ts";
import { must } from "../lab/exec.ts";
import { Random } from "../support/random.ts";
import { tempDir } from "../support/temp_dir.ts";

const LIMITS: TarLimits = {
  entries: 20,
  fileBytes: 10_000,
  totalBytes: 200_000,
};

async function filesIn(
  chunks: Iterable<Uint8Array>,
  limits: Partial<TarLimits> = {},
): Promise<readonly TarFile[]> {
  const source = ReadableStream.from(chunks);
  return await Array.fromAsync(readTar(source, { ...LIMITS, ...limits }));
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function seeded(): Random {
  const seed = Number(Deno.env.get("SEED") ?? Date.now() % 2 ** 31);
  console.log(`SEED=${seed}`);
  return new Random(seed);
}

function file(name: string, text = "x"): TarFile {
  return { name, data: new TextEncoder().encode(text), mtimeSeconds: 1 };
}

/** A file's header with some bytes of it changed, and its sum right again. */
function changed(
  at: number,
  bytes: readonly number[],
  of = file("a/b"),
): Uint8Array<ArrayBuffer> {
  const entry = tarEntry(of);
  entry.set(bytes, at);
  entry.fill(0x20, 148, 156);
  const sum = entry.subarray(0, 512).reduce((all, byte) => all + byte, 0);
  const text = `${sum.toString(8).padStart(6, "0")}\0 `;
  entry.set(new TextEncoder().encode(text), 148);
  return entry;
}

for (const format of ["ustar", "posix"] as const) {
  Deno.test(`readTar() reads what tar has made of files with names of any length: ${format}`, async () => {
    await using folder = await tempDir();
    const long = format === "posix" ? 240 : 90;
    const names = [
      "a/b",
      "a/ü",
      "a/empty",
      `a/${"d".repeat(99)}/${"n".repeat(long)}`,
    ];
    for (const name of names) {
      await Deno.mkdir(dirname(join(folder.path, name)), { recursive: true });
      const size = name.endsWith("empty") ? 0 : 700 + name.length;
      await Deno.writeFile(
        join(folder.path, name),
        new Uint8Array(size).fill(7),
      );
      await Deno.utime(join(folder.path, name), 1_000_000, 1_000_000);
    }
    const archive = join(folder.path, "x.tar");
    await must([
      ...["tar", `--format=${format}`, "--numeric-owner", "-cf", archive],
      ...["-C", folder.path, ...names],
    ]);
    const found = await filesIn([await Deno.readFile(archive)]);
    assert.deepEqual(found.map(({ name }) => name), names);
    for (const { data, mtimeSeconds, name } of found) {
      assert.deepEqual(data, await Deno.readFile(join(folder.path, name)));
      assert.equal(mtimeSeconds, 1_000_000);
    }
  });
}

Deno.test("readTar() gives back what tarEntry() was given, however the bytes come", async () => {
  const random = seeded();
  for (let round = 0; round < 30; round++) {
    const files = Array.from({ length: random.below(8) }, (_, at) => ({
      name: `f/${at}/${"ü".repeat(random.below(120))}x`,
      data: random.bytes(random.below(3_000)),
      mtimeSeconds: random.below(2 ** 31),
    }));
    const archive = joined(...files.map(tarEntry), tarEnd());
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < archive.length;) {
      const length = 1 + random.below(2_000);
      chunks.push(archive.subarray(at, at + length));
      at += length;
    }
    assert.deepEqual(await filesIn(chunks), files);
  }
});

const WRONG: readonly (readonly [
  what: string,
  bytes: Uint8Array<ArrayBuffer>,
  says: RegExp,
  limits?: Partial<TarLimits>,
])[] = [
  ["nothing", new Uint8Array(), /cut short/],
  ["text", new TextEncoder().encode("no tar ".repeat(100)), /no tar archive/],
  ["no end", tarEntry(file("a/b")), /cut short/],
  [
    "one block of the end",
    joined(tarEntry(file("a/b")), new Uint8Array(512)),
    /cut short/,
  ],
  [
    "more after the end",
    joined(tarEnd(), tarEntry(file("a/b"))),
    /follows its end/,
  ],
  [
    "a header within the end",
    joined(new Uint8Array(512), tarEntry(file("a/b")), tarEnd()),
    /where its end/,
  ],
  [
    "contents that are cut",
    joined(tarEntry(file("a/b", "y".repeat(900))).subarray(0, 1024)),
    /cut short/,
  ],
  [
    "a wrong sum",
    joined(tarEntry(file("a/b")).fill(0x41, 0, 1), tarEnd()),
    /sum is wrong/,
  ],
  [
    "a size that is no number",
    joined(changed(124, [0x80, 0, 0, 1]), tarEnd()),
    /no number/,
  ],
  [
    "a symbolic link",
    joined(changed(156, [0x32]), tarEnd()),
    /else than files/,
  ],
  ["a directory", joined(changed(156, [0x35]), tarEnd()), /else than files/],
  ["a device", joined(changed(156, [0x33]), tarEnd()), /else than files/],
  [
    "GNU's long name",
    joined(changed(156, [0x4c]), tarEnd()),
    /else than files/,
  ],
  [
    "a way up",
    joined(tarEntry(file("a/../../etc/x")), tarEnd()),
    /name "a\/\.\./,
  ],
  [
    "an absolute name",
    joined(tarEntry(file("/etc/x")), tarEnd()),
    /name "\/etc/,
  ],
  [
    "a long absolute name",
    joined(tarEntry(file(`/${"n".repeat(300)}`)), tarEnd()),
    /name "\/nn/,
  ],
  [
    "a long way up",
    joined(tarEntry(file(`a/../${"n".repeat(300)}`)), tarEnd()),
    /name "a\/\.\./,
  ],
  ["a dot", joined(tarEntry(file("./a")), tarEnd()), /name "\.\/a"/],
  ["two slashes", joined(tarEntry(file("a//b")), tarEnd()), /name "a\/\/b"/],
  [
    "another system's slash",
    joined(tarEntry(file("a\\..\\b")), tarEnd()),
    /name "a/,
  ],
  ["a line end", joined(tarEntry(file("a\nb")), tarEnd()), /name "a\\n/],
  [
    "an escape sequence",
    joined(tarEntry(file("a\x1b[2J")), tarEnd()),
    /name "a\\u001b/,
  ],
  ["no text", joined(changed(0, [0xff, 0xfe]), tarEnd()), /no text/],
  [
    "a name twice",
    joined(tarEntry(file("a/b")), tarEntry(file("a/b")), tarEnd()),
    /"a\/b" twice/,
  ],
  [
    "a large file",
    joined(tarEntry(file("a/b", "y".repeat(600))), tarEnd()),
    /600 bytes long/,
    { fileBytes: 599 },
  ],
  [
    "many files",
    joined(tarEntry(file("a")), tarEntry(file("b")), tarEnd()),
    /more than 1 files/,
    { entries: 1 },
  ],
  ["many bytes", joined(tarEntry(file("a")), tarEnd()), /too large/, {
    totalBytes: 2_047,
  }],
  ["zeros without end", new Uint8Array(3_000), /too large/, {
    totalBytes: 2_999,
  }],
];

for (const [what, bytes, says, limits] of WRONG) {
  Deno.test(`readTar() refuses ${what}`, async () => {
    await assert.rejects(filesIn([bytes], limits), (error) => {
      assert.ok(error instanceof SyntaxError, String(error));
      assert.match(error.message, says);
      return true;
    });
  });
}

Deno.test("readTar() throws nothing but SyntaxError, and gives no unsafe name, whatever it is given", async () => {
  const random = seeded();
  const good = joined(
    tarEntry(file("a/b", "some")),
    tarEntry(file(`a/${"n".repeat(300)}`)),
    tarEnd(),
  );
  for (let round = 0; round < 3_000; round++) {
    const bytes = Uint8Array.from(good);
    for (let hits = 1 + random.below(4); hits > 0; hits--) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    try {
      const cut = bytes.subarray(0, random.below(bytes.length + 1));
      for (const { name } of await filesIn([round % 2 ? cut : bytes])) {
        assert.doesNotMatch(name, /(^|\/)\.{0,2}(\/|$)/);
      }
    } catch (error) {
      assert.ok(error instanceof SyntaxError, String(error));
    }
  }
});
