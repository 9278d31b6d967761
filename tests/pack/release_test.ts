/**
 * What `deno task release` puts into `dist/`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { outputFolder } from "../../deploy/build.ts";
import { must } from "../../deploy/exec.ts";
import { sumOf } from "../../deploy/manifest.ts";
import {
  makeRelease,
  refuseDirty,
  type ReleaseFile,
  releaseText,
  SUMS_FILE,
} from "../../deploy/release.ts";
import { deployedFiles, EXECUTABLE } from "../../mod/cli/install_files.ts";
import { VERSION } from "../../mod/core/version.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";
import { builtImage } from "./built_image.ts";

const NEEDS = { root: true, commands: ["buildah", "dpkg-deb", "zstd", "git"] };

const ARCH = Deno.build.arch;

/** Of a release for this machine alone. */
const NAMES: readonly string[] = [
  "THIRD_PARTY_LICENSES",
  `clusternet-${VERSION}-kustomize.tar.gz`,
  `clusternet-${VERSION}-linux-${ARCH}`,
  `clusternet-${VERSION}-linux-${ARCH}.cdx.json`,
  `clusternet-${VERSION}-systemd.tar.gz`,
  `clusternet-${VERSION}-${ARCH}-gzip.oci.tar`,
  `clusternet-${VERSION}-${ARCH}-zstd.oci.tar`,
  `clusternet-${VERSION}.tgz`,
  `clusternet_${VERSION}_${{ x86_64: "amd64", aarch64: "arm64" }[ARCH]}.deb`,
];

const WHOLE = "a release is whole, its sums verify, and it is what was built";

Deno.test({
  name: WHOLE,
  ignore: skipped(WHOLE, NEEDS),
  fn: async () => {
    await using folder = await tempDir();
    const dist = join(folder.path, "dist");
    // Compressing the package well would take half a minute.
    const files = await makeRelease({
      output: dist,
      targets: [ARCH],
      level: 0,
    });
    assert.deepEqual(files.map(({ name }) => name), NAMES);
    const there = [...Deno.readDirSync(dist)].map(({ name }) => name);
    assert.deepEqual(there.sort(), [...NAMES, SUMS_FILE].sort());
    await must(["sha256sum", "--check", "--strict", SUMS_FILE], { cwd: dist });
    await assertSame(files, await alreadyBuilt());
    await assertUnits(join(dist, `clusternet-${VERSION}-systemd.tar.gz`));
    const said = await must([
      join(dist, `clusternet-${VERSION}-linux-${ARCH}`),
      "--runtime-dir",
      join(folder.path, "runtime"),
      "version",
    ]);
    assert.match(said, new RegExp(`^clusternet ${RegExp.escape(VERSION)} `));
    await assert.rejects(
      makeRelease({ output: folder.path, targets: [ARCH] }),
      /^Error: Cannot write the release to .*: there is something else in it/,
    );
  },
});

/** Paths of the same things as their own tasks leave them. */
async function alreadyBuilt(): Promise<readonly string[]> {
  const { archives } = await builtImage();
  return [
    ...archives.map(({ file }) => file),
    join(outputFolder(ARCH), "clusternet"),
  ];
}

async function assertSame(
  files: readonly ReleaseFile[],
  built: readonly string[],
): Promise<void> {
  const sums = files.map(({ sum }) => sum);
  for (const file of built) {
    assert.ok(sums.includes(await sumOf(await Deno.readFile(file))), file);
  }
}

async function assertUnits(archive: string): Promise<void> {
  const list = await must(["tar", "--list", "--file", archive]);
  const files = list.split("\n").filter((name) => /[^/]$/.test(name));
  assert.deepEqual(
    files.sort(),
    deployedFiles({ executable: EXECUTABLE })
      .map(({ target }) => target.slice(1)).sort(),
  );
}

const CLEAN = "a release is of a commit: what differs from it is refused";

Deno.test({
  name: CLEAN,
  ignore: skipped(CLEAN, { commands: ["git"] }),
  fn: async () => {
    await using folder = await tempDir();
    const cwd = folder.path;
    const git = (...args: readonly string[]): Promise<string> =>
      must([
        ...["git", "-c", "user.name=x", "-c", "user.email=x@localhost"],
        ...args,
      ], { cwd });
    await git("init", "--quiet");
    await Deno.writeTextFile(join(cwd, "a"), "1");
    await git("add", "a");
    await git("commit", "--quiet", "--message=a");
    await refuseDirty(cwd);
    for (const name of ["a", "b"]) {
      await Deno.writeTextFile(join(cwd, name), "2");
      await assert.rejects(refuseDirty(cwd), {
        message: `Cannot release what is not committed: ${name}; ` +
          "commit it, or try with --allow-dirty",
      });
      await git("stash", "--include-untracked");
    }
    await refuseDirty(cwd);
  },
});

Deno.test("releaseText() is a table of names, sizes and sums", () => {
  const text = releaseText([
    { name: "long-name", size: 44_100_000, sum: "ab".repeat(32) },
    { name: "b", size: 900, sum: "cd".repeat(32) },
  ]);
  assert.deepEqual(text.split("\n"), [
    "file          size  SHA-256",
    `long-name  44.1 MB  ${"ab".repeat(32)}`,
    `b           0.9 kB  ${"cd".repeat(32)}`,
  ]);
});
