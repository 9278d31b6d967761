/**
 * The image of this machine as tests take it: built once, unpacked once.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { must } from "../../deploy/exec.ts";
import { type ImageArchive, makeImages } from "../../deploy/image.ts";
import {
  type Descriptor,
  LAYER_FORMATS,
  type LayerFormat,
  type Manifest,
} from "../../deploy/oci.ts";
import type { ImageConfig } from "./runc.ts";

const BUILD = fileURLToPath(new URL("../../.build", import.meta.url));

const FOLDER = join(BUILD, "image");

/** Built on the host for a guest of `tests/vm`, which has no buildah. */
const GUEST_FOLDER = join(BUILD, "guest-image");

export interface BuiltImage {
  readonly archives: readonly ImageArchive[];
  /** That with gzip layers. */
  readonly archive: ImageArchive;
  readonly manifest: Manifest;
  readonly config: ImageFile;
  /** The image's root, as a runtime would lay it out. */
  readonly rootfs: string;
}

/** OCI Image Format Specification, config.md. */
export interface ImageFile {
  readonly architecture: string;
  readonly os: string;
  readonly created: string;
  readonly config: ImageConfig;
  readonly rootfs: { readonly diff_ids: readonly string[] };
  readonly history: readonly {
    readonly created: string;
    readonly created_by: string;
    readonly empty_layer?: boolean;
  }[];
}

/** By this run of tests: its files have no variables in common, but the process. */
interface Note {
  readonly run: string;
  readonly image: BuiltImage;
}

const NOTE = "tested.json";

/** What the guest has of it, at the same paths. */
export const GUEST_FILES: readonly string[] = [NOTE, "rootfs"].map((name) =>
  join(GUEST_FOLDER, name)
);

let built: Promise<BuiltImage> | undefined;

export function builtImage(): Promise<BuiltImage> {
  built ??= thisRuns();
  return built;
}

async function thisRuns(): Promise<BuiltImage> {
  if (Deno.env.get("CLUSTERNET_GUEST") !== undefined) {
    return (await readNote(GUEST_FOLDER)).image;
  }
  const run = `${Deno.pid} ${startOf(Deno.pid)}`;
  try {
    const note = await readNote(FOLDER);
    if (note.run === run) return note.image;
  } catch {
    // The first of this run, or of this checkout.
  }
  return await buildWithNote(FOLDER, { run, formats: LAYER_FORMATS });
}

/** For a guest: with gzip layers alone, which take a tenth of the time to make. */
export async function buildGuestImage(): Promise<void> {
  await buildWithNote(GUEST_FOLDER, { run: "", formats: ["gzip"] });
}

async function readNote(folder: string): Promise<Note> {
  return JSON.parse(await Deno.readTextFile(join(folder, NOTE))) as Note;
}

async function buildWithNote(
  folder: string,
  { run, formats }: {
    readonly run: string;
    readonly formats: readonly LayerFormat[];
  },
): Promise<BuiltImage> {
  const image = await buildAndUnpack(folder, formats);
  const note: Note = { run, image };
  await Deno.writeTextFile(join(folder, NOTE), JSON.stringify(note));
  return image;
}

/** Clock ticks from boot to the start of a process: proc_pid_stat(5), field 22. */
function startOf(pid: number): string {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(")")).split(" ")[20] ?? "";
}

/** One archive for each kind of layers. @param output folder for them */
export async function buildArchives(
  output: string,
  formats: readonly LayerFormat[] = LAYER_FORMATS,
): Promise<readonly ImageArchive[]> {
  const targets = [Deno.build.arch];
  return await makeImages({ targets, formats, output });
}

async function buildAndUnpack(
  output: string,
  formats: readonly LayerFormat[],
): Promise<BuiltImage> {
  const archives = await buildArchives(output, formats);
  const archive = archives.find(({ format }) => format === "gzip");
  if (archive === undefined) throw new Error("Cannot find the gzip archive");
  const layout = join(output, "layout");
  const rootfs = join(output, "rootfs");
  for (const folder of [layout, rootfs]) {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    await Deno.mkdir(folder);
  }
  await must(["tar", `--directory=${layout}`, "-xf", archive.file]);
  const index = JSON.parse(
    await Deno.readTextFile(join(layout, "index.json")),
  ) as { readonly manifests: readonly [Descriptor] };
  const manifest = await blob(layout, index.manifests[0]) as Manifest;
  const config = await blob(layout, manifest.config) as ImageFile;
  for (const layer of manifest.layers) {
    await must([
      ...["tar", "--same-permissions", "--same-owner", "--gzip"],
      ...[`--directory=${rootfs}`, "-xf", blobPath(layout, layer)],
    ]);
  }
  return { archives, archive, manifest, config, rootfs };
}

function blobPath(layout: string, { digest }: Descriptor): string {
  return join(layout, "blobs", digest.replace(":", "/"));
}

async function blob(layout: string, of: Descriptor): Promise<unknown> {
  return JSON.parse(await Deno.readTextFile(blobPath(layout, of)));
}

/** A line for each file below: kind, mode, owner, size, times, name. What writes there shows. */
export async function listing(folder: string): Promise<readonly string[]> {
  const format = "%y %m %U:%G %s %T@ %C@ %P -> %l\n";
  const text = await must(["find", folder, "-printf", format]);
  return text.split("\n").filter((line) => line !== "").sort();
}
