/**
 * What a build for another machine takes from elsewhere: Debian's packages for
 * that machine and npm's Deno for it. Nothing is installed: apt-get has lists of
 * its own for this, and all of it lies unpacked in the cache.
 *
 * @module
 */

import { join } from "node:path";
import type { Target } from "../ffi/build.ts";
import { cacheFolder } from "./zstd.ts";

const DEBIAN: Readonly<Record<Target, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
};

/** That of npm: it has no package for a machine whose name it does not know. */
const NPM: Readonly<Record<Target, string>> = {
  x86_64: "@deno/linux-x64-glibc",
  aarch64: "@deno/linux-arm64-glibc",
};

const PACKAGES = [
  ...["libc6", "libgcc-s1"],
  ...["libc6-dev", "linux-libc-dev", "libzstd-dev", "nettle-dev"],
];

/**
 * @param key that of this machine's C library: with its updates come the other's
 * @returns the folder that has them as a root of their own; downloaded once
 * @throws {Error} with one sentence for people
 */
export async function foreignRoot(
  target: Target,
  key: string,
): Promise<string> {
  const name = `debian-${DEBIAN[target]}-${key}`;
  return await once(name, async (folder) => {
    const apt = await aptGet(join(folder, ".apt"), target);
    await run(["apt-get", ...apt, "update"], folder);
    await run(["apt-get", ...apt, "download", ...PACKAGES], folder);
    for (const { name } of [...Deno.readDirSync(folder)]) {
      if (!name.endsWith(".deb")) continue;
      await run(["dpkg-deb", "-x", name, "."], folder);
      const [field = ""] = name.split("_");
      const version = await run(["dpkg-deb", "-f", name, "Version"], folder);
      await Deno.writeTextFile(join(folder, `${field}.version`), version);
      await Deno.remove(join(folder, name));
    }
    await Deno.remove(join(folder, ".apt"), { recursive: true });
  });
}

/** Of a package in `foreignRoot()`. */
export async function foreignVersion(
  root: string,
  name: string,
): Promise<string> {
  return (await Deno.readTextFile(join(root, `${name}.version`))).trim();
}

export interface ForeignDeno {
  readonly file: string;
  readonly version: string;
}

/**
 * Deno for that machine, of the version that runs this; where npm has not that
 * one, of the newest before it that differs in its last number alone, said aloud.
 */
export async function foreignDeno(target: Target): Promise<ForeignDeno> {
  const wanted = Deno.version.deno;
  const [major, minor] = wanted.split(".");
  const range = `${NPM[target]}@>=${major}.${minor}.0 <=${wanted}`;
  const printed = await run(["npm", "view", "--json", range, "version"], "/");
  const found: unknown = JSON.parse(printed || "[]");
  const last = (text: unknown): number => Number(String(text).split(".")[2]);
  const [version] = [found].flat().sort((a, b) => last(b) - last(a));
  if (typeof version !== "string") {
    throw new Error(`Cannot get Deno for ${target}: npm has no ${range}`);
  }
  if (version !== wanted) {
    console.error(`npm has no Deno ${wanted} for ${target}: ${version} it is`);
  }
  const folder = await once(`deno-${version}-${target}`, async (folder) => {
    const name = `${NPM[target]}@${version}`;
    await run(["npm", "pack", "--silent", name], folder);
    const [archive] = [...Deno.readDirSync(folder)];
    await run(["tar", "-xzf", archive?.name ?? ""], folder);
    await Deno.remove(join(folder, archive?.name ?? ""));
  });
  return { file: join(folder, "package", "deno"), version };
}

/** Options by which apt-get is another machine's, and leaves this one alone. */
async function aptGet(
  folder: string,
  target: Target,
): Promise<readonly string[]> {
  await Deno.mkdir(join(folder, "lists", "partial"), { recursive: true });
  await Deno.mkdir(join(folder, "cache", "archives", "partial"), {
    recursive: true,
  });
  await Deno.writeTextFile(join(folder, "status"), "");
  const options = {
    "APT::Architecture": DEBIAN[target],
    "APT::Architectures": DEBIAN[target],
    "APT::Sandbox::User": "root",
    "APT::Update::Error-Mode": "any",
    "Acquire::Languages": "none",
    "Dir::Cache": join(folder, "cache"),
    "Dir::State::lists": join(folder, "lists"),
    "Dir::State::status": join(folder, "status"),
  };
  return [
    "-qq",
    ...Object.entries(options).flatMap((
      [name, value],
    ) => ["-o", `${name}=${value}`]),
  ];
}

/** A folder in the cache, which `fill` fills: it is there in full, or not at all. */
async function once(
  name: string,
  fill: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(cacheFolder(), name);
  if (await Deno.stat(folder).then(() => true, () => false)) return folder;
  console.error(`downloading ${name}, once`);
  const temporary = `${folder}.${Deno.pid}`;
  await Deno.mkdir(temporary, { recursive: true });
  try {
    await fill(temporary);
    await Deno.rename(temporary, folder);
    return folder;
  } catch (error) {
    await Deno.remove(temporary, { recursive: true });
    throw error;
  }
}

async function run(command: readonly string[], cwd: string): Promise<string> {
  const [name = "", ...args] = command;
  try {
    const { success, stdout, stderr } = await new Deno.Command(name, {
      args,
      cwd,
      env: { LC_ALL: "C" },
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(success ? stdout : stderr).trim();
    if (success) return text;
    const [last = "it failed"] = text.split("\n").slice(-1);
    throw new Error(
      `Cannot get what another machine needs by ${name}: ${last}`,
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(
      `Cannot get what another machine needs: there is no "${name}" here`,
      { cause: error },
    );
  }
}
