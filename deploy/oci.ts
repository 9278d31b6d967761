/**
 * An image as files: an OCI layout whose layers are compressed by gzip(1) or
 * zstd(1) at their best, which the libraries of container tools are not. The
 * layers' contents, and with them the configuration that names them, stay byte
 * for byte what was built.
 *
 *     LAYOUT/oci-layout
 *     LAYOUT/index.json            ──► image, or index of images by platform
 *     LAYOUT/blobs/sha256/DIGEST   manifests, configurations, layers
 *
 * OCI Image Format Specification 1.0: image-layout.md, manifest.md, image-index.md
 *
 * @module
 */

import { dirname, join } from "node:path";
import { must } from "./exec.ts";
import { sumOf } from "./manifest.ts";

export type LayerFormat = "gzip" | "zstd";

export const LAYER_FORMATS: readonly LayerFormat[] = ["gzip", "zstd"];

export interface Descriptor {
  readonly mediaType: string;
  /** "sha256:…" */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly platform?: {
    readonly architecture: string;
    readonly os: string;
  };
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export const MEDIA = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
} as const;

/**
 * The same output on every machine: no name and time in gzip's header, and a
 * number of threads that does not depend on the processors.
 */
const COMPRESS: Readonly<Record<LayerFormat, readonly string[]>> = {
  gzip: ["gzip", "-n", "-9"],
  zstd: ["zstd", "-q", "-19", "-T2"],
};

/** A new layout without images. */
export async function makeLayout(layout: string): Promise<void> {
  await Deno.mkdir(join(layout, "blobs/sha256"), { recursive: true });
  await Deno.writeTextFile(
    join(layout, "oci-layout"),
    JSON.stringify({ imageLayoutVersion: "1.0.0" }),
  );
}

/**
 * Takes over an image from a folder of the `dir:` transport (containers-transports(5))
 * with plain layers.
 *
 * @param options.cache folder of layers that were compressed before, by digest
 * @returns its manifest
 */
export async function addImage(
  layout: string,
  folder: string,
  options: {
    readonly format: LayerFormat;
    readonly cache: string;
    readonly annotations: Readonly<Record<string, string>>;
  },
): Promise<Descriptor> {
  const { format, cache, annotations } = options;
  const built = JSON.parse(
    await Deno.readTextFile(join(folder, "manifest.json")),
  ) as Manifest;
  const config = await Deno.readTextFile(join(folder, hex(built.config)));
  const { architecture, os } = JSON.parse(config);
  const layers: Descriptor[] = [];
  for (const layer of built.layers) {
    if (layer.mediaType !== MEDIA.layer) {
      throw new Error(`Cannot compress a layer of kind ${layer.mediaType}`);
    }
    const packed = await compressed(join(folder, hex(layer)), {
      format,
      keep: join(cache, `${hex(layer)}.${format}`),
    });
    layers.push({
      mediaType: `${MEDIA.layer}+${format}`,
      ...await addFile(layout, packed),
    });
  }
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    config: { mediaType: MEDIA.config, ...await addText(layout, config) },
    layers,
    annotations,
  };
  return {
    mediaType: MEDIA.manifest,
    ...await addText(layout, JSON.stringify(manifest)),
    platform: { architecture, os },
  };
}

/** Names what the layout holds; several images become one index by platform. */
export async function writeIndex(
  layout: string,
  images: readonly Descriptor[],
  name: string,
): Promise<void> {
  const annotations = {
    // What podman, skopeo and docker look for, and what containerd does.
    "org.opencontainers.image.ref.name": name.slice(name.lastIndexOf(":") + 1),
    "io.containerd.image.name": name,
  };
  const [first] = images;
  const whole: Descriptor = first !== undefined && images.length === 1
    ? first
    : {
      mediaType: MEDIA.index,
      ...await addText(layout, JSON.stringify(indexOf(images))),
    };
  await Deno.writeTextFile(
    join(layout, "index.json"),
    JSON.stringify(indexOf([{ ...whole, annotations }])),
  );
}

function indexOf(manifests: readonly Descriptor[]): unknown {
  return { schemaVersion: 2, mediaType: MEDIA.index, manifests };
}

/** The layout as one file, the same bytes for the same contents. */
export async function archive(layout: string, file: string): Promise<number> {
  await must([
    ...["tar", "--create", "--format=ustar", "--sort=name", "--mtime=@0"],
    ...["--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"],
    `--file=${file}`,
    `--directory=${layout}`,
    ...["blobs", "index.json", "oci-layout"],
  ]);
  return (await Deno.stat(file)).size;
}

/**
 * @param options.keep a file that has it from an earlier time, or shall have it;
 *   only for what takes long
 */
async function compressed(
  file: string,
  { format, keep }: { readonly format: LayerFormat; readonly keep: string },
): Promise<string> {
  const { size } = await Deno.stat(file);
  const output = size < KEEP_FROM_BYTES ? `${file}.${format}` : keep;
  if (await isThere(output)) return output;
  await Deno.mkdir(dirname(output), { recursive: true });
  const temporary = `${output}.${Deno.pid}`;
  const [program = "", ...args] = COMPRESS[format];
  const script = 'out=$1 in=$2; shift 2; exec "$@" < "$in" > "$out"';
  await must(
    ["sh", "-c", script, "sh", temporary, file, program, ...args],
    { debian: format },
  );
  await Deno.rename(temporary, output);
  return output;
}

/** Deno's layer takes a minute, the program's a second, and is another each time. */
const KEEP_FROM_BYTES = 30_000_000;

type Blob = Pick<Descriptor, "digest" | "size">;

async function addText(layout: string, text: string): Promise<Blob> {
  return await addBlob(layout, new TextEncoder().encode(text));
}

async function addFile(layout: string, file: string): Promise<Blob> {
  return await addBlob(layout, await Deno.readFile(file));
}

async function addBlob(
  layout: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Blob> {
  const digest = await sumOf(bytes);
  await Deno.writeFile(join(layout, "blobs/sha256", digest), bytes);
  return { digest: `sha256:${digest}`, size: bytes.length };
}

function hex({ digest }: Blob): string {
  return digest.replace(/^sha256:/, "");
}

async function isThere(file: string): Promise<boolean> {
  return await Deno.stat(file).then(() => true, () => false);
}
