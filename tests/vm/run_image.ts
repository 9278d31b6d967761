/**
 * The image of one run: this checkout at the same path as on the host, Deno's cache of what it
 * imports, and the command. Same paths, so that messages can be clicked and what Deno has
 * compiled on the host is found in the guest.
 *
 * @module
 */

import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { buildOnce, digest, exists, run, touch } from "./host.ts";
import { makeImage } from "./stage.ts";
import { GUEST_DIRECTORY } from "./system_image.ts";

export interface RunImageOptions {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Files and folders of the host that the guest has too, at the same paths. */
  readonly files: readonly string[];
  readonly cache: string;
  readonly progress: (message: string) => void;
  /** On the guest's serial line instead of its output port. */
  readonly interactive: boolean;
}

const DENO_DIRECTORY = "/var/lib/deno";
const SKIPPED = new Set([".git", "node_modules"]);

/** This checkout: the directory above `tests`. */
export const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url))
  .replace(/\/$/, "");

/**
 * Builds `image`, with `stage` as the directory to gather it in.
 *
 * @returns the image of npm's packages that belongs to it
 */
export async function buildRunImage(
  image: string,
  stage: string,
  options: RunImageOptions,
): Promise<string> {
  const source = await copyTree(CHECKOUT, `${stage}${CHECKOUT}`);
  for (const file of options.files) {
    await Deno.mkdir(dirname(`${stage}${file}`), { recursive: true });
    await run(["cp", "--archive", file, `${stage}${file}`]);
  }
  const denoDirectory = `${options.cache}/deno`;
  await cacheImports(
    source.filter((file) => isModule(file)),
    denoDirectory,
    options.progress,
  );
  await Deno.mkdir(`${stage}${DENO_DIRECTORY}`, { recursive: true });
  for await (const { name } of Deno.readDir(denoDirectory)) {
    if (name === "npm") continue;
    await run([
      "cp",
      "-r",
      `${denoDirectory}/${name}`,
      `${stage}${DENO_DIRECTORY}/${name}`,
    ]);
  }
  const ours = `${stage}${GUEST_DIRECTORY}`;
  await Deno.mkdir(ours, { recursive: true });
  await Deno.writeTextFile(
    `${ours}/command`,
    script(options.command, options.env),
  );
  if (options.interactive) await Deno.writeTextFile(`${ours}/interactive`, "");
  await makeImage(stage, image);
  return await npmImage(options.cache, denoDirectory, options.progress);
}

/** npm's packages are many and seldom change: an image of their own, named by what is in it. */
async function npmImage(
  cache: string,
  denoDirectory: string,
  progress: (message: string) => void,
): Promise<string> {
  const packages = await listPackages(`${denoDirectory}/npm`, 4);
  const image = `${cache}/npm-${await digest(packages)}.ext4`;
  await buildOnce(image, async (temporary) => {
    progress("building the image of npm's packages");
    const stage = `${temporary}.stage`;
    await Deno.mkdir(`${stage}${DENO_DIRECTORY}`, { recursive: true });
    try {
      if (packages.length > 0) {
        await run([
          "cp",
          "-r",
          `${denoDirectory}/npm`,
          `${stage}${DENO_DIRECTORY}/npm`,
        ]);
      }
      await makeImage(stage, temporary);
    } finally {
      await Deno.remove(stage, { recursive: true });
    }
  });
  await touch(image);
  return image;
}

/** Directories to the depth of registry, scope, package and version; Deno makes each at once. */
async function listPackages(
  directory: string,
  depth: number,
): Promise<readonly string[]> {
  if (depth === 0 || !await exists(directory)) return [];
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (!isDirectory) continue;
    const path = `${directory}/${name}`;
    found.push(
      path,
      ...await listPackages(path, name.startsWith("@") ? depth : depth - 1),
    );
  }
  return found.sort();
}

/** A shell script; what the caller gives is quoted. */
function script(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): string {
  const variables = {
    CLUSTERNET_GUEST: "1",
    DENO_DIR: DENO_DIRECTORY,
    DENO_NO_UPDATE_CHECK: "1",
    NO_COLOR: "1",
    ...env,
  };
  const exports = Object.entries(variables).map(([name, value]) =>
    `export ${name}=${quote(value)}`
  );
  return [
    `cd ${quote(CHECKOUT)}`,
    ...exports,
    `exec ${command.map(quote).join(" ")}`,
    "",
  ].join("\n");
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function isModule(file: string): boolean {
  const inside = file.slice(CHECKOUT.length);
  return inside === "/main.ts" || /^\/(tests|mod)\/.*\.ts$/.test(inside);
}

/** The shim is a file; the folders are large, and a run names what it wants of them. */
const BUILDS = `${CHECKOUT}/.build`;

/**
 * Copies files and links; not `.git`, `node_modules` and the folders in `.build`. Returns the
 * files of the source.
 */
async function copyTree(from: string, to: string): Promise<readonly string[]> {
  await Deno.mkdir(to, { recursive: true });
  const files: string[] = [];
  for await (const entry of Deno.readDir(from)) {
    if (SKIPPED.has(entry.name)) continue;
    if (entry.isDirectory && from === BUILDS) continue;
    const [source, target] = [`${from}/${entry.name}`, `${to}/${entry.name}`];
    if (entry.isDirectory) files.push(...await copyTree(source, target));
    else if (entry.isSymlink) {
      await Deno.symlink(await Deno.readLink(source), target);
    } else if (entry.isFile) {
      await Deno.copyFile(source, target);
      files.push(source);
    }
  }
  return files;
}

/** Fills a Deno cache of our own with what these modules import: npm's packages, from npm. */
async function cacheImports(
  modules: readonly string[],
  denoDirectory: string,
  progress: (message: string) => void,
): Promise<void> {
  const argv = [Deno.execPath(), "cache", "--quiet", ...modules];
  await Deno.mkdir(denoDirectory, { recursive: true });
  await run(argv, { cwd: CHECKOUT, env: { DENO_DIR: denoDirectory } }).catch(
    (err: unknown) => {
      // A module that is being written must not keep a command from running that needs it not.
      progress(
        `not all imports are in the guest: ${
          err instanceof Error ? err.message : err
        }`,
      );
    },
  );
}
