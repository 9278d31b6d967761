/**
 * What `deno task image` makes, looked at from outside.
 *
 * @module
 */

import assert from "node:assert/strict";
import { git } from "../../deploy/entry.ts";
import { DOC_DIR, publicUrl, sourceTime } from "../../deploy/image_labels.ts";
import { type ImageArchive, LIMIT } from "../../deploy/image.ts";
import { VERSION } from "../../mod/core/version.ts";
import { must } from "../../deploy/exec.ts";
import { sumOf } from "../../deploy/manifest.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";
import { buildArchives, builtImage, listing } from "./built_image.ts";

const ROOT = new URL("../../", import.meta.url);

function imageTest(name: string, fn: () => Promise<void>): void {
  const needs = { root: true, commands: ["buildah", "gzip", "zstd", "tar"] };
  Deno.test({ name, ignore: skipped(name, needs), fn });
}

imageTest(
  "the image starts clusternet run as root, and has all labels",
  async () => {
    const { config, manifest } = await builtImage();
    assert.equal(config.os, "linux");
    assert.equal(
      config.architecture,
      { x86_64: "amd64", aarch64: "arm64" }[Deno.build.arch],
    );
    const { User, Entrypoint, Cmd, Labels } = config.config;
    assert.deepEqual({ User, Entrypoint, Cmd }, {
      User: "0",
      Entrypoint: ["/usr/bin/clusternet"],
      Cmd: ["run"],
    });
    // Outside a checkout nobody knows.
    const commit = await git(ROOT, ["rev-parse", "HEAD"]) ?? "unknown";
    const created = new Date(await sourceTime() * 1_000);
    const expected: Readonly<Record<string, RegExp>> = {
      title: /^clusternet$/,
      description: /Kubernetes/,
      source: /^(https:\/\/|swh:1:rev:|unknown$)/,
      revision: new RegExp(`^${commit}(-dirty)?$`),
      version: new RegExp(`^${RegExp.escape(VERSION)}$`),
      created: new RegExp(`^${created.toISOString().slice(0, 19)}Z$`),
      licenses: /^Apache-2\.0$/,
      documentation: new RegExp(`^(https://|file://${DOC_DIR}/README\\.md$)`),
    };
    for (const [name, pattern] of Object.entries(expected)) {
      const key = `org.opencontainers.image.${name}`;
      assert.match(Labels[key] ?? "", pattern, key);
      assert.equal(manifest.annotations?.[key], Labels[key], key);
    }
    assert.equal(Object.keys(Labels).length, Object.keys(expected).length);
    assert.equal(new Date(config.created).getTime(), created.getTime());
  },
);

imageTest("the image has two layers: Deno's, and the program's", async () => {
  const { config, manifest } = await builtImage();
  const [runtime, program] = manifest.layers;
  assert.equal(manifest.layers.length, 2);
  assert.ok((runtime?.size ?? 0) > 40_000_000);
  assert.ok((program?.size ?? Infinity) < 2_000_000, `${program?.size}`);
  const steps = config.history.filter((step) => step.empty_layer !== true);
  assert.equal(steps.length, config.rootfs.diff_ids.length);
});

imageTest(
  "all files in the image are root's, and nobody else can write",
  async () => {
    const { rootfs } = await builtImage();
    const open: string[] = [];
    for (const line of await listing(rootfs)) {
      const [kind = "", mode = "", owner, , , , path] = line.split(" ");
      assert.equal(owner, "0:0", line);
      if (kind !== "l" && (Number.parseInt(mode, 8) & 0o6022) !== 0) {
        open.push(`${path} ${mode}`);
      }
    }
    assert.deepEqual(open, ["tmp 1777"]);
  },
);

imageTest("the image has its licences, and no shell", async () => {
  const { rootfs } = await builtImage();
  const names = (await listing(rootfs)).map((line) => line.split(" ")[6] ?? "");
  for (const name of ["LICENSE", "THIRD_PARTY_LICENSES"]) {
    assert.ok(names.includes(`${DOC_DIR.slice(1)}/${name}`), name);
  }
  const programs = (await must([
    ...["find", rootfs, "-type", "f", "-perm", "/111", "-printf", "%P\n"],
  ])).trimEnd().split("\n").sort();
  assert.deepEqual(programs, [
    "usr/bin/clusternet",
    "usr/bin/clusternet.runtime/clusternet",
    "usr/bin/clusternet.runtime/deno",
  ]);
});

imageTest(
  "the same commit gives the same archives, within the limits",
  async () => {
    const { archives } = await builtImage();
    await using output = await tempDir();
    const umask = Deno.umask(0o077);
    try {
      const again = await buildArchives(output.path);
      assert.deepEqual(await sumsOf(again), await sumsOf(archives));
    } finally {
      Deno.umask(umask);
    }
    for (const { format, size } of archives) {
      assert.ok(size <= LIMIT[format], `${format}: ${size} bytes`);
    }
  },
);

async function sumsOf(
  archives: readonly ImageArchive[],
): Promise<readonly string[]> {
  return await Promise.all(
    archives.map(async ({ file }) => await sumOf(await Deno.readFile(file))),
  );
}

const ORIGINS: readonly (readonly [origin: string, url: string | undefined])[] =
  [
    ["https://host.example/a/b.git", "https://host.example/a/b"],
    ["https://user:secret@host.example/a/b", "https://host.example/a/b"],
    ["git@host.example:a/b.git", "https://host.example/a/b"],
    ["ssh://git@host.example/a/b.git/", "https://host.example/a/b"],
    ["/srv/git/clusternet.git", undefined],
    ["file:///srv/git/clusternet", undefined],
    ["../clusternet", undefined],
    ["", undefined],
  ];

Deno.test("publicUrl() gives what a browser takes, and no secret", () => {
  for (const [origin, url] of ORIGINS) {
    assert.equal(publicUrl(origin), url, origin);
  }
});
