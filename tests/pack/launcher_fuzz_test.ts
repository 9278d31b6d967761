/**
 * The launcher with sanitizers, on thousands of damaged files: it ends with a
 * sentence or unpacks, and never reads or writes where it must not.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { FLAGS } from "../../deploy/launcher.ts";
import { sumOf } from "../../deploy/manifest.ts";
import { must, run } from "../lab/exec.ts";
import { Random } from "../support/random.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";
import { type SmallExecutable, smallExecutable } from "./small_executable.ts";

const ROUNDS = Number(Deno.env.get("FUZZ_ROUNDS") ?? 1_000);

const SANITIZERS = [
  ...["-g", "-O1", "-fsanitize=address,undefined", "-fno-omit-frame-pointer"],
  "-fno-sanitize-recover=all",
];

/** What a manifest should not have. */
const ODD = [
  "../x",
  "lib/x",
  "file 644 18446744073709551616 ",
  "file 644 -1 ",
  "file 7777777777777 1 ",
  "arg ",
  "arg @@@",
  "\n\n",
  "\0",
  "\xff",
  "x".repeat(5_000),
  "arg x\n".repeat(70),
];

Deno.test({
  name:
    "the launcher with sanitizers takes damaged trailers, manifests and frames",
  ignore: skipped("the launcher with sanitizers", { commands: ["cc"] }),
  fn: async () => {
    await using dir = await tempDir();
    const launcher = join(dir.path, "launcher");
    const source = new URL("../../ffi/launcher.c", import.meta.url).pathname;
    await must([
      ...["cc", ...FLAGS, ...SANITIZERS, "-o", launcher, source],
      ...["-lzstd", "-lnettle"],
    ]);
    const small = await smallExecutable(launcher, "one");
    const random = new Random(Number(Deno.env.get("SEED") ?? Date.now() % 1e6));
    const file = join(dir.path, "clusternet");
    const command = [file, "--runtime-dir", join(dir.path, "runtime")];
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = await damaged(small, random);
      await Deno.writeFile(file, bytes, { mode: 0o755 });
      const { code, stderr } = await run([...command, "--runtime-info"], {
        env: { ASAN_OPTIONS: "detect_leaks=0" },
      });
      const fine = code === 0 && stderr === "" ||
        code === 1 && /^clusternet: [^\n]*\n$/.test(stderr);
      if (fine) continue;
      const kept = await Deno.makeTempFile({ prefix: "clusternet-fuzz-" });
      await Deno.writeFile(kept, bytes);
      assert.fail(`SEED=${random.seed}: ${code} ${stderr}, file ${kept}`);
    }
  },
});

async function damaged(
  small: SmallExecutable,
  random: Random,
): Promise<Uint8Array> {
  const { bytes, frames, manifest, trailer } = small;
  const copy = bytes.slice();
  const flip = (from: number, to: number): void => {
    for (let left = 1 + random.below(4); left > 0; left--) {
      copy[from + random.below(to - from)] = random.below(256);
    }
  };
  switch (random.below(5)) {
    case 0:
      flip(trailer, copy.length);
      return copy;
    case 1:
      flip(frames, manifest);
      return copy;
    default:
  }
  // With the right sum, so that it is read.
  let text = new TextDecoder("latin1").decode(copy.slice(manifest, trailer));
  for (let left = 1 + random.below(3); left > 0; left--) {
    const at = random.below(text.length);
    const end = at + random.below(text.length - at);
    const middle = random.pick(["", random.pick(ODD), text.slice(at, end)]);
    const rest = text.slice(random.chance(0.5) ? at : end);
    text = text.slice(0, at) + middle + rest;
  }
  const odd = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const hex = (size: number): string => size.toString(16).padStart(16, "0");
  const end = `clusternet-run1 ${hex(manifest - frames)} ${
    hex(odd.length)
  } ${await sumOf(odd)}\n`;
  const all = new Blob([copy.slice(0, manifest), odd, end]);
  return new Uint8Array(await all.arrayBuffer());
}
