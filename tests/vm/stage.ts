/**
 * Root directories in the making: programs with their libraries at the paths that they have on
 * the host, scripts of ours, and at last an ext4 image. Needs no root.
 *
 * @module
 */

import { run, runText } from "./host.ts";

/** A root directory with a merged `/usr`, as Debian has it. */
export async function makeSkeleton(
  stage: string,
  directories: readonly string[],
): Promise<void> {
  for (const name of ["bin", "lib", "lib64", "sbin"]) {
    await Deno.mkdir(`${stage}/usr/${name}`, { recursive: true });
    await Deno.symlink(`usr/${name}`, `${stage}/${name}`);
  }
  for (const name of directories) await Deno.mkdir(`${stage}/${name}`);
}

/** Copies programs and their shared libraries to where they lie on the host (or to `as`). */
export async function installPrograms(
  stage: string,
  programs: readonly string[],
  as?: string,
): Promise<void> {
  const libraries = new Set<string>();
  for (const program of programs) {
    await copyInto(program, stage + mergedUsr(as ?? program));
    const text = await runText(["ldd", program]).catch(() => ""); // static: ldd fails
    for (const match of text.matchAll(/(?:^\s*|=> )(\/\S+)/gm)) {
      libraries.add(match[1] ?? "");
    }
  }
  for (const library of libraries) {
    await copyInto(library, stage + mergedUsr(library));
  }
}

function mergedUsr(path: string): string {
  return /^\/(bin|lib|lib64|sbin)\//.test(path) ? `/usr${path}` : path;
}

/** Copies a file's contents and mode, through symbolic links. */
export async function copyInto(from: string | URL, to: string): Promise<void> {
  await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
  await Deno.copyFile(from, to);
}

export async function installScript(name: string, to: string): Promise<void> {
  await copyInto(new URL(`guest/${name}`, import.meta.url), to);
  await Deno.chmod(to, 0o755);
}

/** Makes an ext4 image of a directory, a little larger than its contents. Needs no root. */
export async function makeImage(
  directory: string,
  image: string,
): Promise<void> {
  const [size = "0"] =
    (await runText(["du", "-sk", "--apparent-size", directory])).split("\t");
  const [count = "0"] = (await runText(["du", "-s", "--inodes", directory]))
    .split("\t");
  // Blocks are 4 KiB and inodes 256 bytes: half a block a file goes to waste on average.
  const mebibytes =
    Math.ceil(Number(size) / 1024 * 1.05 + Number(count) / 256) + 8;
  const options = ["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0"];
  options.push("-N", String(Number(count) + 64), "-b", "4096", "-I", "256");
  await run(["mke2fs", ...options, "-d", directory, image, `${mebibytes}M`]);
}
