/**
 * `deno task image`: the image of the agent as an OCI archive, built by buildah
 * from `Containerfile`, without network and without writing to the machine's own
 * store of images. The same commit gives the same bytes.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Target, TARGETS } from "../ffi/build.ts";
import { VERSION } from "../mod/core/version.ts";
import { build, outputFolder } from "./build.ts";
import { must } from "./exec.ts";
import { makeContext } from "./image_context.ts";
import { type ImageLabels, imageLabels, sourceTime } from "./image_labels.ts";
import { licensesText } from "./licenses.ts";
import {
  addImage,
  archive,
  type Descriptor,
  LAYER_FORMATS,
  type LayerFormat,
  makeLayout,
  writeIndex,
} from "./oci.ts";
import { cacheFolder } from "./zstd.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const CONTAINERFILE = fileURLToPath(new URL("Containerfile", import.meta.url));

const HELP = `Makes the agent's image: .build/image/clusternet-VERSION-*.oci.tar

Usage: deno task image [OPTIONS]

  --target ARCH        x86_64 or aarch64 (several: one archive for all of them);
                       without it, this machine's
  --format FORMAT      gzip or zstd; without it, one archive of each
  --name NAME          What the image is called where it is imported
                       [localhost/clusternet:${VERSION}]
  --source URL         Where the source is published; else the address of the
                       remote "origin"
  --documentation URL  Where the documentation is; else the source
  --help               Print this text
`;

/** Names of machines in OCI images (GOARCH). */
const OCI_ARCH: Readonly<Record<Target, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
};

/** Bytes of one machine's image, at most. */
export const LIMIT: Readonly<Record<LayerFormat, number>> = {
  gzip: 45_000_000,
  zstd: 36_000_000,
};

export interface ImageOptions {
  readonly targets: readonly Target[];
  readonly formats: readonly LayerFormat[];
  readonly name?: string | undefined;
  readonly source?: string | undefined;
  readonly documentation?: string | undefined;
  /** Folder that takes the archives. */
  readonly output?: string | undefined;
}

export interface ImageArchive {
  readonly file: string;
  readonly format: LayerFormat;
  /** Bytes of the file. */
  readonly size: number;
  readonly images: readonly {
    readonly target: Target;
    /** What a registry would call it: the manifest's "sha256:…". */
    readonly digest: string;
    /** Bytes that a node pulls. */
    readonly size: number;
  }[];
}

/** @throws {Error} one sentence: what is missing, which program failed, which limit does not hold */
export async function makeImages(
  options: ImageOptions,
): Promise<readonly ImageArchive[]> {
  const { targets, formats, output = `${ROOT}.build/image` } = options;
  const labels = await imageLabels(options);
  const licenses = await licensesText();
  const work = await Deno.makeTempDir({ prefix: "clusternet-image-" });
  try {
    const built: { readonly target: Target; readonly folder: string }[] = [];
    for (const target of targets) {
      const folder = join(work, target);
      await buildImage(target, { folder, labels, licenses });
      built.push({ target, folder: join(folder, "image") });
    }
    await Deno.mkdir(output, { recursive: true });
    const archives: ImageArchive[] = [];
    for (const format of formats) {
      const layout = join(work, format);
      archives.push(
        await pack(layout, built, { ...options, format, labels, output }),
      );
    }
    return archives;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** `FOLDER/image`: the image as buildah leaves it, with plain layers. */
async function buildImage(
  target: Target,
  options: {
    readonly folder: string;
    readonly labels: ImageLabels;
    readonly licenses: string;
  },
): Promise<void> {
  const { folder, labels, licenses } = options;
  const context = join(folder, "context");
  await build(target);
  await makeContext(context, { built: outputFolder(target), licenses });
  const buildah = (...args: readonly string[]): Promise<string> =>
    must([
      "buildah",
      ...["--storage-driver=vfs", `--root=${join(folder, "store")}`],
      ...[`--runroot=${join(folder, "run")}`, ...args],
    ], { env: { TMPDIR: folder } });
  const bud = [
    ...["bud", "--quiet", "--isolation=chroot", "--pull-never"],
    ...["--identity-label=false", `--arch=${OCI_ARCH[target]}`],
    `--file=${CONTAINERFILE}`,
  ];
  const runtime = "localhost/clusternet-runtime";
  // Its times do not follow the commit's, or every commit would change the layer.
  await buildah(
    ...[...bud, "--timestamp=0", "--target=runtime", `--tag=${runtime}`],
    context,
  );
  await buildah(
    ...[...bud, `--timestamp=${await sourceTime()}`],
    ...Object.entries({ ...labels, runtime }).map(([name, value]) =>
      `--build-arg=${name.toUpperCase()}=${value}`
    ),
    "--tag=localhost/clusternet",
    context,
  );
  await buildah(
    ...["push", "--quiet", "--disable-compression", "localhost/clusternet"],
    `dir:${join(folder, "image")}`,
  );
  await Deno.remove(join(folder, "store"), { recursive: true });
}

async function pack(
  layout: string,
  built: readonly { readonly target: Target; readonly folder: string }[],
  options: ImageOptions & {
    readonly format: LayerFormat;
    readonly labels: ImageLabels;
    readonly output: string;
  },
): Promise<ImageArchive> {
  const { format, labels, output } = options;
  await makeLayout(layout);
  const annotations = Object.fromEntries(
    Object.entries(labels).map(([key, value]) => [
      `org.opencontainers.image.${key}`,
      value,
    ]),
  );
  const descriptors: Descriptor[] = [];
  const images: ImageArchive["images"][number][] = [];
  for (const { target, folder } of built) {
    const image = await addImage(layout, folder, {
      format,
      cache: join(cacheFolder(), "layers"),
      annotations,
    });
    const size = await pulledBytes(layout, image);
    refuseTooLarge(target, format, size);
    descriptors.push(image);
    images.push({ target, digest: image.digest, size });
  }
  const name = options.name ?? `localhost/clusternet:${VERSION}`;
  await writeIndex(layout, descriptors, name);
  const machines = built.length === 1 ? built[0]?.target : "all";
  const file = join(
    output,
    `clusternet-${VERSION}-${machines}-${format}.oci.tar`,
  );
  return { file, format, size: await archive(layout, file), images };
}

async function pulledBytes(
  layout: string,
  image: Descriptor,
): Promise<number> {
  const path = join(layout, "blobs", image.digest.replace(":", "/"));
  const { config, layers } = JSON.parse(await Deno.readTextFile(path));
  const parts: readonly Descriptor[] = [image, config, ...layers];
  return parts.reduce((sum, { size }) => sum + size, 0);
}

function refuseTooLarge(
  target: Target,
  format: LayerFormat,
  size: number,
): void {
  if (size <= LIMIT[format]) return;
  throw new Error(
    `Cannot take the image of ${target} with ${format} layers: ${
      megabytes(size)
    }, more than ${megabytes(LIMIT[format])}`,
  );
}

/** 10⁶ bytes, as registries show them. */
function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

function imagesText(archives: readonly ImageArchive[]): string {
  const rows = archives.flatMap(({ file, format, size, images }) => [
    `${file.replace(ROOT, "")}  ${megabytes(size)}`,
    ...images.map((image) =>
      `  ${OCI_ARCH[image.target]}  ${megabytes(image.size)} of at most ${
        megabytes(LIMIT[format])
      } to pull  ${image.digest}`
    ),
  ]);
  return rows.join("\n");
}

function parseOptions(args: string[]): ImageOptions | undefined {
  const { values } = parseArgs({
    args,
    options: {
      target: { type: "string", multiple: true, default: [Deno.build.arch] },
      format: { type: "string", multiple: true, default: [...LAYER_FORMATS] },
      name: { type: "string" },
      source: { type: "string" },
      documentation: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    ...values,
    targets: values.target.map((text) => oneOf(TARGETS, text)),
    formats: values.format.map((text) => oneOf(LAYER_FORMATS, text)),
  };
}

function oneOf<T extends string>(known: readonly T[], text: string): T {
  const found = known.find((each) => each === text);
  if (found !== undefined) return found;
  throw new Error(`Cannot use "${text}": write one of ${known.join(", ")}`);
}

if (import.meta.main) {
  try {
    const options = parseOptions(Deno.args);
    console.log(
      options === undefined
        ? HELP.trimEnd()
        : imagesText(await makeImages(options)),
    );
  } catch (error) {
    console.error(`image: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
