/**
 * `deno task release`: everything that a release publishes, in `dist/`, with its
 * sums. Invariant: the same commit gives the same bytes, so whoever has the
 * source can check what was published.
 *
 * @module
 */

import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Target, TARGETS } from "../ffi/build.ts";
import { deployedFiles, EXECUTABLE } from "../mod/cli/install_files.ts";
import { VERSION } from "../mod/core/version.ts";
import { build, outputFolder } from "./build.ts";
import { makeDeb } from "./deb.ts";
import { must } from "./exec.ts";
import { makeImages } from "./image.ts";
import { sourceTime } from "./image_labels.ts";
import { LICENSES_FILE, licensesText } from "./licenses.ts";
import { sumOf } from "./manifest.ts";
import { LAYER_FORMATS } from "./oci.ts";
import { sbomText } from "./sbom.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

const HELP = `Makes everything that a release publishes: dist/

Usage: deno task release [OPTIONS]

  --target ARCH        x86_64 or aarch64 alone (several); without it, both
  --output DIR         Instead of dist/; what is in there goes
  --allow-dirty        Although files differ from the commit
  --source URL         Where the source is published, for the image; else the
                       address of the remote "origin"
  --documentation URL  Where the documentation is; else the source
  --help               Print this text
`;

/** sha256sum(1) checks it; by it a folder is known for a release. */
export const SUMS_FILE: string = "SHA256SUMS";

export interface ReleaseOptions {
  /** Absolute; what is in there goes. */
  readonly output: string;
  readonly targets: readonly Target[];
  readonly source?: string | undefined;
  readonly documentation?: string | undefined;
  /** Of the Debian packages' xz, 0 to 9; 6 by default. */
  readonly level?: number | undefined;
}

export interface ReleaseFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256, 64 hex digits. */
  readonly sum: string;
}

type Part = (folder: string, options: ReleaseOptions) => Promise<void>;

/** In this order: the executables are in all that follows. */
const PARTS: readonly Part[] = [
  ...[executables, packages, images, units, manifests],
  ...[materials, licenses],
];

/** @throws {Error} one sentence: what could not be made, and why */
export async function makeRelease(
  options: ReleaseOptions,
): Promise<readonly ReleaseFile[]> {
  const { output } = options;
  refuseForeign(output);
  const folder = `${output}.${Deno.pid}`;
  await Deno.mkdir(folder, { recursive: true });
  try {
    for (const part of PARTS) await part(folder, options);
    const files = await filesOf(folder);
    await Deno.writeTextFile(join(folder, SUMS_FILE), sumsText(files));
    await setModes(folder);
    await Deno.remove(output, { recursive: true }).catch(() => {});
    await Deno.rename(folder, output);
    return files;
  } finally {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  }
}

async function executables(
  folder: string,
  { targets }: ReleaseOptions,
): Promise<void> {
  for (const target of targets) {
    await build(target);
    await Deno.copyFile(
      join(outputFolder(target), "clusternet"),
      join(folder, executableName(target)),
    );
  }
}

function executableName(target: Target): string {
  return `clusternet-${VERSION}-linux-${target}`;
}

async function packages(
  folder: string,
  { targets, level }: ReleaseOptions,
): Promise<void> {
  for (const target of targets) {
    await makeDeb({
      target,
      output: folder,
      ...(level === undefined ? {} : { level }),
    });
  }
}

async function images(
  folder: string,
  options: ReleaseOptions,
): Promise<void> {
  await makeImages({ ...options, formats: LAYER_FORMATS, output: folder });
}

/** What `clusternet install` puts in place, for those who do it otherwise. */
async function units(folder: string): Promise<void> {
  const tree = `${folder}.units`;
  try {
    for (const file of deployedFiles({ executable: EXECUTABLE })) {
      const path = join(tree, file.target);
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.writeTextFile(path, file.text);
    }
    const file = join(folder, `clusternet-${VERSION}-systemd.tar.gz`);
    await archive(file, ["etc"], { in: tree });
  } finally {
    await Deno.remove(tree, { recursive: true }).catch(() => {});
  }
}

/** For kubectl, and for Helm by the name that Helm gives a chart. */
export async function manifests(folder: string): Promise<void> {
  const kustomize = join(folder, `clusternet-${VERSION}-kustomize.tar.gz`);
  await archive(kustomize, ["kustomize"], { in: join(ROOT, "deploy") });
  const chart = join(folder, `clusternet-${VERSION}.tgz`);
  await archive(chart, ["clusternet"], { in: join(ROOT, "deploy/helm") });
}

/** The same files give the same bytes, on whatever machine. */
async function archive(
  file: string,
  names: readonly string[],
  options: { readonly in: string },
): Promise<void> {
  await must([
    ...["tar", "--create", "--format=ustar", "--sort=name"],
    ...["--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"],
    ...[`--mtime=@${await sourceTime()}`, "--use-compress-program=gzip -n9"],
    ...[`--file=${file}`, `--directory=${options.in}`, ...names],
  ]);
}

/** A bill of them for each machine, in CycloneDX. */
async function materials(
  folder: string,
  { targets }: ReleaseOptions,
): Promise<void> {
  for (const target of targets) {
    const file = join(folder, `${executableName(target)}.cdx.json`);
    await Deno.writeTextFile(file, await sbomText(target));
  }
}

async function licenses(folder: string): Promise<void> {
  const file = join(folder, basename(LICENSES_FILE));
  await Deno.writeTextFile(file, await licensesText());
}

async function filesOf(folder: string): Promise<readonly ReleaseFile[]> {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  const files: ReleaseFile[] = [];
  for (const name of names) {
    const bytes = await Deno.readFile(join(folder, name));
    files.push({ name, size: bytes.length, sum: await sumOf(bytes) });
  }
  return files;
}

function sumsText(files: readonly ReleaseFile[]): string {
  return files.map(({ name, sum }) => `${sum}  ${name}\n`).join("");
}

/** Neither umask nor checkout shows. */
async function setModes(folder: string): Promise<void> {
  await Deno.chmod(folder, 0o755);
  for (const { name } of Deno.readDirSync(folder)) {
    const program = TARGETS.some((target) => executableName(target) === name);
    await Deno.chmod(join(folder, name), program ? 0o755 : 0o644);
  }
}

/** Takes away no folder that a release did not make. */
function refuseForeign(output: string): void {
  const names: string[] = [];
  try {
    for (const { name } of Deno.readDirSync(output)) names.push(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (names.length === 0 || names.includes(SUMS_FILE)) return;
  throw new Error(
    `Cannot write the release to ${output}: there is something else in it (${
      names[0]
    })`,
  );
}

/**
 * A release is of a commit.
 *
 * @throws {Error} one sentence with the first of the files that differ
 */
export async function refuseDirty(root: string): Promise<void> {
  const text = await must(["git", "status", "--porcelain"], { cwd: root });
  const [first, ...more] = text.split("\n").filter((line) => line !== "");
  if (first === undefined) return;
  const others = more.length === 0 ? "" : ` and ${more.length} more`;
  throw new Error(
    `Cannot release what is not committed: ${
      first.slice(3)
    }${others}; commit it, or try with --allow-dirty`,
  );
}

/** A row for each file: name, size, sum. */
export function releaseText(files: readonly ReleaseFile[]): string {
  const rows = [
    ["file", "size", "SHA-256"],
    ...files.map(({ name, size, sum }) => [name, sizeText(size), sum]),
  ];
  const width = (column: number): number =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const [first, second] = [width(0), width(1)];
  return rows.map(([name = "", size = "", sum = ""]) =>
    `${name.padEnd(first)}  ${size.padStart(second)}  ${sum}`
  ).join("\n");
}

/** 10⁶ and 10³ bytes. */
function sizeText(bytes: number): string {
  return bytes < 1_000_000
    ? `${(bytes / 1_000).toFixed(1)} kB`
    : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      "target": { type: "string", multiple: true, default: [...TARGETS] },
      "output": { type: "string", default: join(ROOT, "dist") },
      "allow-dirty": { type: "boolean", default: false },
      "source": { type: "string" },
      "documentation": { type: "string" },
      "help": { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(HELP.trimEnd());
  if (!values["allow-dirty"]) await refuseDirty(ROOT);
  const targets = TARGETS.filter((target) => values.target.includes(target));
  const odd = values.target.find((name) =>
    !TARGETS.some((one) => one === name)
  );
  if (odd !== undefined) {
    throw new Error(`Cannot use "${odd}": write ${TARGETS.join(" or ")}`);
  }
  const output = resolve(values.output);
  const files = await makeRelease({ ...values, output, targets });
  console.log(releaseText(files));
  const place = relative(Deno.cwd(), output);
  console.log(`
In ${place}/; check with: sha256sum -c ${SUMS_FILE}`);
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    console.error(`release: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
