import assert from "node:assert/strict";
import { CopyProgress } from "../../mod/cli/copy_progress.ts";
import { stageFile } from "../../mod/sys/place_files.ts";
import { tempDir } from "../support/temp_dir.ts";

/** What is said of copying 64 KiB pieces, each of which takes that long; "" when the line is gone. */
async function said(
  pieces: number,
  millisecondsEach: number,
): Promise<string[]> {
  await using dir = await tempDir();
  const from = `${dir.path}/from`;
  const size = pieces * 65_536;
  Deno.writeFileSync(from, new Uint8Array(size));
  const lines: string[] = [];
  let now = 0;
  {
    using copied = new CopyProgress("/usr/bin/x", {
      clock: { now: () => now },
      size,
      say: (text) => {
        lines.push(text);
        return { [Symbol.dispose]: () => lines.push("") };
      },
    });
    stageFile(`${dir.path}/to`, { kind: "copy", of: from }, {
      mode: 0o755,
      wrote: (bytes) => {
        now += millisecondsEach;
        copied.wrote(bytes);
      },
    });
  }
  return lines;
}

Deno.test("CopyProgress says nothing of a copy that is quick", async () => {
  assert.deepEqual(await said(20, 40), []);
});

Deno.test("CopyProgress tells per cent of a copy that takes long, now and then, and the line is gone with it", async () => {
  assert.deepEqual(await said(20, 150), [
    ..."35 45 55 65 75 85 95".split(" ").map((percent) =>
      `writing /usr/bin/x: ${percent} %`
    ),
    "",
  ]);
});
