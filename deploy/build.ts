/**
 * `deno task build`: one static executable without `denort`, of the launcher in
 * `ffi/launcher.c` with Deno, its C library and the bundled program behind it.
 * The same sources and packages give the same bytes, in whatever folder.
 *
 * In `.build/bundled/` (`.build/bundled-aarch64/` for another machine):
 * - `clusternet`: the executable
 * - `launcher`: the launcher alone, for image and package
 * - `runtime/`: what the executable unpacks; beside a launcher X it is called
 *   `X.runtime/`
 *
 * @module
 */

import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type Target, TARGETS } from "../ffi/build.ts";
import { VERSION } from "../mod/core/version.ts";
import { bundleFunctions, PROGRAM } from "./bundle.ts";
import { buildInfo } from "./entry.ts";
import { compileLauncher, compilerFor } from "./launcher.ts";
import { executableOf, manifestText, RUNTIME, sumOf } from "./manifest.ts";
import {
  LAUNCHER_VARIABLES,
  NO_PROMPT,
  permissions,
  V8_FLAGS,
} from "./permissions.ts";
import { runtimeParts } from "./runtime_files.ts";
import { compress, compressOnce } from "./zstd.ts";

type Bytes = Uint8Array<ArrayBuffer>;

interface Part {
  readonly path: string;
  readonly mode: number;
  readonly bytes: Bytes;
  readonly sum: string;
}

const BUILD = fileURLToPath(new URL("../.build/", import.meta.url));
const ENCODER = new TextEncoder();

/** Executed by the launcher, which replaces `RUNTIME` and appends its arguments. */
const COMMAND: readonly string[] = [
  // The loader's own name, then what it takes for itself: ld.so(8).
  ...["clusternet", "--inhibit-cache", "--library-path", RUNTIME],
  ...["--argv0", "clusternet", `${RUNTIME}/deno`],
  ...["run", "--no-config", "--no-lock", "--cached-only", "--no-remote"],
  ...["--no-npm", NO_PROMPT, "--unstable-net"],
  ...permissions({
    libc: [`${RUNTIME}/libc.so.6`],
    variables: LAUNCHER_VARIABLES,
  }),
  ...[V8_FLAGS, `${RUNTIME}/${PROGRAM}`],
];

export function outputFolder(target: Target): string {
  const own = target === Deno.build.arch;
  return join(BUILD, own ? "bundled" : `bundled-${target}`);
}

/** @throws {Error} with one sentence for people */
export async function build(target: Target): Promise<void> {
  const folder = outputFolder(target);
  const temporary = `${folder}.${Deno.pid}`;
  await Deno.mkdir(temporary, { recursive: true });
  try {
    const launcher = join(temporary, "launcher");
    await compileLauncher(await compilerFor(target), launcher);
    const { parts, versions } = await runtime(target);
    const program = await programParts(target);
    const manifest = manifestText({
      versions,
      files: [...parts, ...program].map(({ path, mode, bytes, sum }) => ({
        ...{ path, mode, sum },
        size: bytes.length,
      })),
      command: COMMAND,
    });
    const key = parts.map(({ sum }) => sum).join(" ");
    const executable = await executableOf([
      await Deno.readFile(launcher),
      await compressOnce(parts.map(({ bytes }) => bytes), key),
      await compress(program.map(({ bytes }) => bytes)),
    ], manifest);
    if (await holds(folder, executable)) return;
    await writeFiles(temporary, [
      { path: "clusternet", mode: 0o755, bytes: executable },
      {
        path: "runtime/manifest",
        mode: 0o644,
        bytes: ENCODER.encode(manifest),
      },
      ...[...parts, ...program].map((part) => ({
        ...part,
        path: `runtime/${part.path}`,
      })),
    ]);
    await replaceFolder(folder, temporary);
  } finally {
    await Deno.remove(temporary, { recursive: true }).catch(() => {});
  }
}

async function runtime(target: Target): Promise<
  {
    readonly parts: readonly Part[];
    readonly versions: readonly (readonly [string, string])[];
  }
> {
  const { files, versions } = await runtimeParts(target);
  const { commit = "unknown" } = await buildInfo("bundled");
  return {
    parts: await Promise.all(
      files.map(async ({ path, mode, source }) =>
        await part(path, mode, await Deno.readFile(source))
      ),
    ),
    versions: [
      ["clusternet", VERSION],
      ["commit", commit],
      ["machine", target],
      ...versions,
    ],
  };
}

async function programParts(target: Target): Promise<readonly Part[]> {
  const files = await bundleFunctions({ kind: "bundled", target });
  return await Promise.all(
    [...files].map(([name, bytes]) => part(name, 0o644, bytes)),
  );
}

async function part(path: string, mode: number, bytes: Bytes): Promise<Part> {
  return { path, mode, bytes, sum: await sumOf(bytes) };
}

/** Is there what was built before, and the same? Whoever runs it is left alone. */
async function holds(folder: string, executable: Bytes): Promise<boolean> {
  try {
    const there = await Deno.readFile(join(folder, "clusternet"));
    return await sumOf(there) === await sumOf(executable);
  } catch {
    return false;
  }
}

async function writeFiles(
  folder: string,
  files: readonly Omit<Part, "sum">[],
): Promise<void> {
  for (const { path, mode, bytes } of files) {
    const file = join(folder, path);
    await Deno.mkdir(dirname(file), { recursive: true });
    await Deno.writeFile(file, bytes);
    await Deno.chmod(file, mode);
  }
}

async function replaceFolder(folder: string, by: string): Promise<void> {
  const old = `${by}.old`;
  await Deno.rename(folder, old).catch(() => {});
  await Deno.rename(by, folder);
  await Deno.remove(old, { recursive: true }).catch(() => {});
}

function parseTarget(args: readonly string[]): Target {
  const [flag, value] = args.length === 0
    ? ["--target", Deno.build.arch]
    : args;
  const target = TARGETS.find((one) => one === value);
  if (flag === "--target" && target !== undefined && args.length < 3) {
    return target;
  }
  throw new Error(
    `Cannot read the arguments "${args.join(" ")}": --target ${
      TARGETS.join("|")
    }`,
  );
}

if (import.meta.main) {
  try {
    const target = parseTarget(Deno.args);
    await build(target);
    const file = join(outputFolder(target), "clusternet");
    const { size } = await Deno.stat(file);
    console.log(
      `${relative(Deno.cwd(), file)}: ${target}, ${(size / 1e6).toFixed(1)} MB`,
    );
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
