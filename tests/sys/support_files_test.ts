import assert from "node:assert/strict";
import { join } from "node:path";
import { listingOf, textsIn } from "../../mod/sys/support_files.ts";
import { run } from "../lab/exec.ts";
import { tempDir } from "../support/temp_dir.ts";

Deno.test("listingOf() says what is in a directory, as ls does, and where links lead", async () => {
  await using folder = await tempDir();
  const { path } = folder;
  await Deno.mkdir(join(path, "sub"));
  await Deno.writeTextFile(join(path, "sub/10-x.conflist"), "four");
  await Deno.chmod(join(path, "sub/10-x.conflist"), 0o640);
  await Deno.symlink("sub/10-x.conflist", join(path, "link"));
  const lines = (await listingOf(path)).trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => line.replace(/ \S+Z /, " TIME ")),
    [
      `drwx------ 0:0 ${(await Deno.stat(path)).size} TIME ${path}`,
      `lrwxrwxrwx 0:0 17 TIME ${path}/link -> sub/10-x.conflist`,
      `drwxr-xr-x 0:0 ${
        (await Deno.stat(join(path, "sub"))).size
      } TIME ${path}/sub`,
      `-rw-r----- 0:0 4 TIME ${path}/sub/10-x.conflist`,
    ].map((line) => line.replace("0:0", `${Deno.uid()}:${Deno.gid()}`)),
  );
  const { stdout } = await run(["ls", "-lR", path]);
  assert.match(stdout, /^-rw-r----- /m);
});

Deno.test("listingOf() and textsIn() say in one sentence that there is no such directory", async () => {
  const sentence = {
    message: "Cannot list /nowhere: No such file or directory",
  };
  await assert.rejects(listingOf("/nowhere"), sentence);
  await assert.rejects(textsIn("/nowhere", /x/), sentence);
});

Deno.test("textsIn() gives whole files of those names, the beginning of a long one, and waits for no pipe", async () => {
  await using folder = await tempDir();
  const { path } = folder;
  await Deno.writeTextFile(join(path, "a.conf"), "one\n");
  await Deno.writeTextFile(join(path, "b.conf"), "x".repeat(300_000));
  await Deno.writeTextFile(join(path, "kubeconfig"), "a secret");
  assert.equal((await run(["mkfifo", join(path, "c.conf")])).code, 0);
  const text = await textsIn(path, /\.conf$/);
  assert.match(text, new RegExp(`^==> ${path}/a.conf <==\none\n\n==> `));
  assert.match(text, /x{262144}\n\(cut at 262144 bytes\)\n/);
  assert.match(text, /c\.conf <==\n\(not to be had: it is no file\)\n$/);
  assert.ok(!text.includes("secret"));
  assert.match(await textsIn(path, /\.none$/), /^\(.* has none\)\n$/);
});
