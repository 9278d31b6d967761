import assert from "node:assert/strict";
import { join } from "node:path";
import { tarEnd, tarEntry, type TarFile } from "../../mod/wire/tar.ts";

/** mulberry32: the same files for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const LETTERS = ["a", "Z", "9", ".", "-", "_", " ", "ü", "木"];

/** Up to a dozen folders deep, up to 250 bytes each: around every limit of the header. */
function randomFile(random: () => number, at: number): TarFile {
  const below = (most: number): number => Math.floor(random() * most);
  const part = (): string => {
    const most = [12, 99, 101, 156, 250][below(5)] ?? 1;
    let text = "x";
    while (new TextEncoder().encode(text).length < most - 4) {
      text += LETTERS[below(LETTERS.length)];
    }
    return text;
  };
  const parts = Array.from({ length: 1 + below(12) }, part);
  const size = [0, 1, 511, 512, 513, below(20_000)][below(6)] ?? 0;
  return {
    name: [`${at}`, ...parts].join("/"),
    data: Uint8Array.from({ length: size }, () => below(256)),
    mtimeSeconds: below(2 ** 32),
  };
}

async function tar(
  args: readonly string[],
  archive: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  const child = new Deno.Command("tar", {
    args: [...args],
    env: { LC_ALL: "C.UTF-8", TZ: "UTC" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [{ code, stdout, stderr }] = await Promise.all([
    child.output(),
    new Blob([archive]).stream().pipeTo(child.stdin),
  ]);
  const said = new TextDecoder().decode(stderr);
  assert.equal(code, 0, said);
  assert.equal(said, "");
  return stdout;
}

async function archiveOf(
  files: readonly TarFile[],
): Promise<Uint8Array<ArrayBuffer>> {
  return await new Blob([...files.map(tarEntry), tarEnd()]).bytes();
}

Deno.test("tar reads names, sizes, times, modes and contents of any files as they were put in", async () => {
  const seed = Number(Deno.env.get("SEED") ?? Date.now() % 2 ** 31);
  console.log(`SEED=${seed}`);
  const random = randomOf(seed);
  const files = Array.from({ length: 60 }, (_, at) => randomFile(random, at));
  const archive = await archiveOf(files);
  const folder = await Deno.makeTempDir();
  try {
    await tar(["-x", "-p", "--warning=no-timestamp", "-C", folder], archive);
    for (const { name, data, mtimeSeconds } of files) {
      const path = join(folder, name);
      const { mode, mtime } = await Deno.stat(path);
      assert.equal((mode ?? 0) & 0o7777, 0o600, name);
      assert.equal((mtime?.getTime() ?? 0) / 1_000, mtimeSeconds, name);
      assert.deepEqual(await Deno.readFile(path), data, name);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

for (
  const [what, name] of [
    ["100 bytes", "n".repeat(100)],
    ["155 and 100 bytes", `${"p".repeat(155)}/${"n".repeat(100)}`],
    ["101 bytes without a slash", "n".repeat(101)],
    ["a folder of 156 bytes", `${"p".repeat(156)}/n`],
    ["a name of 101 bytes in a folder", `p/${"n".repeat(101)}`],
    ["250 letters of three bytes", `${"木".repeat(80)}/${"木".repeat(80)}`],
    [
      "a slash at the end of what fits",
      `${"p".repeat(154)}/q/${"n".repeat(99)}`,
    ],
  ] as const
) {
  Deno.test(`tarEntry() keeps a name whole: ${what}`, async () => {
    const file = { name, data: new Uint8Array(3), mtimeSeconds: 1 };
    const listed = await tar(
      ["-t", "--quoting-style=literal"],
      await archiveOf([file]),
    );
    assert.equal(new TextDecoder().decode(listed), `${name}\n`);
  });
}

Deno.test("tarEntry() refuses what no header can say", () => {
  const file = { name: "a", data: new Uint8Array(), mtimeSeconds: 0 };
  for (
    const wrong of [
      { name: "" },
      { name: "a\0b" },
      { name: "a/" },
      { mtimeSeconds: -1 },
      { mtimeSeconds: 0.5 },
      { mtimeSeconds: 8 ** 11 },
    ]
  ) {
    assert.throws(() => tarEntry({ ...file, ...wrong }), /^\w+: Cannot put /);
  }
});
