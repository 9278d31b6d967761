import assert from "node:assert/strict";
import { FatalError } from "../../mod/core/errors.ts";
import {
  backupPath,
  digestOf,
  discardDraft,
  findFile,
  makeDirectory,
  missingDirectories,
  placeFile,
  removeFile,
  stageFile,
} from "../../mod/sys/place_files.ts";
import { tempDir } from "../support/temp_dir.ts";

/** printf abc | sha256sum */
const ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

const TEXT = { kind: "text", text: "abc" } as const;

function names(directory: string): readonly string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
}

Deno.test("digestOf() is the same for a text and for a file that holds it", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/abc`;
  await Deno.writeTextFile(file, "abc");
  for (const content of [TEXT, { kind: "copy", of: file } as const]) {
    assert.deepEqual(digestOf(content), { digest: ABC, bytes: 3 });
  }
});

Deno.test("a staged file is not there until it is placed, then whole and with its mode", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/unit`;
  await Deno.writeTextFile(path, "old");
  const staged = stageFile(path, TEXT, { mode: 0o755 });
  assert.equal(await Deno.readTextFile(path), "old");
  placeFile(staged);
  assert.deepEqual(findFile(path), { kind: "file", digest: ABC, mode: 0o755 });
  assert.deepEqual(names(dir.path), ["unit"]);
});

Deno.test("what a killed run has staged is staged anew, or swept", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/unit`;
  stageFile(path, { kind: "text", text: "cut sh" }, { mode: 0o644 });
  placeFile(stageFile(path, TEXT, { mode: 0o644 }));
  assert.equal(await Deno.readTextFile(path), "abc");
  stageFile(path, TEXT, { mode: 0o644 });
  assert.equal(names(dir.path).length, 2);
  discardDraft(path);
  assert.deepEqual(names(dir.path), ["unit"]);
});

Deno.test("a draft's name that is a link is not followed", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/unit`;
  await Deno.writeTextFile(`${dir.path}/precious`, "precious");
  const { draft } = stageFile(path, TEXT, { mode: 0o644 });
  await Deno.remove(draft);
  await Deno.symlink(`${dir.path}/precious`, draft);
  placeFile(stageFile(path, TEXT, { mode: 0o644 }));
  assert.equal(await Deno.readTextFile(`${dir.path}/precious`), "precious");
  assert.equal((await Deno.lstat(path)).isFile, true);
});

Deno.test("findFile() tells files from links and directories, and follows nothing", async () => {
  await using dir = await tempDir();
  await Deno.symlink("/dev/null", `${dir.path}/masked`);
  await Deno.mkdir(`${dir.path}/folder`);
  assert.deepEqual(findFile(`${dir.path}/none`), { kind: "nothing" });
  assert.deepEqual(findFile(`${dir.path}/masked`), {
    kind: "other",
    what: "a link to /dev/null",
  });
  assert.deepEqual(findFile(`${dir.path}/folder`), {
    kind: "other",
    what: "a directory",
  });
});

Deno.test("directories that are missing are known before, and made with their modes", async () => {
  await using dir = await tempDir();
  const [outer, inner] = [`${dir.path}/etc`, `${dir.path}/etc/clusternet`];
  assert.deepEqual(missingDirectories(`${inner}/file`), [outer, inner]);
  makeDirectory(inner, 0o700);
  const modes = [outer, inner].map((path) =>
    (Deno.statSync(path).mode ?? 0) & 0o777
  );
  assert.deepEqual(modes, [0o755, 0o700]);
  assert.deepEqual(missingDirectories(`${inner}/file`), []);
});

Deno.test("backupPath() takes a free name, or the one of an equal copy", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/unit`;
  await Deno.writeTextFile(path, "one");
  assert.equal(backupPath(path), `${path}.bak`);
  await Deno.copyFile(path, `${path}.bak`);
  assert.equal(backupPath(path), `${path}.bak`);
  await Deno.writeTextFile(path, "two");
  assert.equal(backupPath(path), `${path}.bak.2`);
});

Deno.test("what cannot be written is one sentence, and leaves nothing", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/unit`;
  const missing = { kind: "copy", of: `${dir.path}/none` } as const;
  assert.throws(() => stageFile(path, missing, { mode: 0o644 }), (error) => {
    assert(error instanceof FatalError);
    assert.equal(
      error.message,
      `Cannot write ${path}: No such file or directory`,
    );
    return true;
  });
  assert.deepEqual(names(dir.path), []);
  removeFile(path);
  removeFile(`${dir.path}/not/there`);
});
