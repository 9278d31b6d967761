/**
 * One archive with the images of both machines, as a release has it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { must } from "../../deploy/exec.ts";
import { LIMIT, makeImages } from "../../deploy/image.ts";
import { type Descriptor, type Manifest, MEDIA } from "../../deploy/oci.ts";
import { TARGETS } from "../../ffi/build.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";

const NAME = "an archive for both machines has an image of each, by platform";

/** include/uapi/linux/elf-em.h */
const ELF_MACHINES: Readonly<Record<string, number>> = {
  amd64: 62, // EM_X86_64
  arm64: 183, // EM_AARCH64
};

interface Index {
  readonly manifests: readonly Descriptor[];
}

Deno.test({
  name: NAME,
  ignore: skipped(NAME, {
    root: true,
    commands: [
      ...["buildah", "gzip", "npm", "apt-get", "dpkg-deb"],
      ...["gcc", "aarch64-linux-gnu-gcc"],
    ],
  }),
  fn: async () => {
    await using folder = await tempDir();
    const [archive] = await makeImages({
      targets: TARGETS,
      formats: ["gzip"],
      output: folder.path,
    });
    assert.ok(archive !== undefined);
    for (const { size } of archive.images) assert.ok(size <= LIMIT.gzip);
    await must(["tar", `--directory=${folder.path}`, "-xf", archive.file]);
    const read = async (path: string): Promise<unknown> =>
      JSON.parse(await Deno.readTextFile(join(folder.path, path)));
    const outer = await read("index.json") as Index;
    assert.equal(outer.manifests[0]?.mediaType, MEDIA.index);
    const index = await read(blobOf(outer.manifests[0])) as Index;
    const platforms = index.manifests.map(({ platform }) => platform);
    assert.deepEqual(
      platforms,
      ["amd64", "arm64"].map((architecture) => ({ architecture, os: "linux" })),
    );
    for (const image of index.manifests) {
      const { layers } = await read(blobOf(image)) as Manifest;
      const [runtime, program] = layers;
      const machine = ELF_MACHINES[image.platform?.architecture ?? ""];
      for (
        const [layer, name] of [
          [program, "usr/bin/clusternet"],
          [runtime, "usr/bin/clusternet.runtime/deno"],
          [runtime, "usr/bin/clusternet.runtime/clusternet"],
        ] as const
      ) {
        const from = join(folder.path, blobOf(layer));
        assert.equal(await elfMachine(from, name), machine, name);
      }
    }
  },
});

function blobOf(descriptor: Descriptor | undefined): string {
  assert.ok(descriptor !== undefined);
  return join("blobs", descriptor.digest.replace(":", "/"));
}

/** `e_machine` of a file in a layer: elf(5), bytes 18 and 19. */
async function elfMachine(layer: string, name: string): Promise<number> {
  await using folder = await tempDir();
  await must(["tar", `--directory=${folder.path}`, "-xzf", layer, name]);
  using file = await Deno.open(join(folder.path, name));
  const header = new Uint8Array(20);
  await file.read(header);
  return new DataView(header.buffer).getUint16(18, true);
}
