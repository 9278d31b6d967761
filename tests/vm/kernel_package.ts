/**
 * The stock kernel of this host's distribution, downloaded with `apt-get download` and unpacked
 * into the cache, one directory a version. It is not installed.
 *
 * @module
 */

import { aptReason } from "../support/packages.ts";
import { buildOnce, exists, GuestError, run, runText } from "./host.ts";

export interface KernelPackage {
  /** As `uname -r` prints it. */
  readonly version: string;
  readonly vmlinuz: string;
  /** Root of a tree that holds `lib/modules/VERSION` (or `usr/lib/modules/VERSION`). */
  readonly modules: string;
}

/** Debian's, then Ubuntu's kernel for virtual machines. */
const META_PACKAGES = ["linux-image-cloud-amd64", "linux-image-virtual"];

/** A kernel in the cache is taken without asking apt for a newer one for so long. */
const FRESH_DAYS = 14;

/** Finds the kernel in the cache, or downloads it (26 MB on Debian). */
export async function kernelPackage(
  cache: string,
  progress: (message: string) => void,
): Promise<KernelPackage> {
  const fresh = await freshKernel(cache);
  if (fresh !== undefined) return fresh;
  const packages = await findPackages(progress);
  const image = packages[0] ?? "";
  const directory = `${cache}/kernel-${
    image.replace(/^linux-image-(unsigned-)?/, "")
  }`;
  await buildOnce(directory, async (temporary) => {
    progress(`downloading ${packages.join(", ")}`);
    const downloads = `${temporary}/download`;
    await Deno.mkdir(downloads, { recursive: true });
    await download(packages, downloads);
    for (const deb of await names(downloads)) {
      await run(["dpkg-deb", "-x", `${downloads}/${deb}`, temporary]);
    }
    await Deno.remove(downloads, { recursive: true });
  });
  const now = new Date();
  await Deno.utime(directory, now, now);
  return await openKernel(directory);
}

/** @throws {GuestError} one sentence */
async function download(
  packages: readonly string[],
  directory: string,
): Promise<void> {
  const get = ["apt-get", "-qq", "download", ...packages];
  try {
    await run(get, { cwd: directory }).catch(async () => {
      // The lists are so old that the mirror has newer ones only.
      await run(["apt-get", "-qq", "update"]);
      await run(get, { cwd: directory });
    });
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new GuestError(
      `Cannot download the guest's kernel: ${aptReason(text)}`,
      { cause },
    );
  }
}

async function freshKernel(cache: string): Promise<KernelPackage | undefined> {
  let newest: { readonly path: string; readonly at: number } | undefined;
  for (const name of await names(cache)) {
    if (!/^kernel-[^/]*\d$|^kernel-.*(amd64|generic|virtual)$/.test(name)) {
      continue;
    }
    const path = `${cache}/${name}`;
    const at = (await Deno.stat(path)).mtime?.getTime() ?? 0;
    if (newest === undefined || at > newest.at) newest = { path, at };
  }
  if (
    newest === undefined || newest.at < Date.now() - FRESH_DAYS * 86_400_000
  ) return undefined;
  return await openKernel(newest.path);
}

async function openKernel(directory: string): Promise<KernelPackage> {
  const vmlinuz = (await names(`${directory}/boot`)).find((name) =>
    name.startsWith("vmlinuz-")
  );
  if (vmlinuz === undefined) {
    throw new GuestError(
      `Cannot find a kernel in ${directory}/boot: delete ${directory}`,
    );
  }
  const usr = `${directory}/usr`;
  return {
    version: vmlinuz.slice("vmlinuz-".length),
    vmlinuz: `${directory}/boot/${vmlinuz}`,
    modules: await exists(`${usr}/lib/modules`) ? usr : directory,
  };
}

/** The packages that hold kernel and modules; the kernel comes first. */
async function findPackages(
  progress: (message: string) => void,
): Promise<readonly string[]> {
  for (const attempt of ["as is", "updated"]) {
    if (attempt === "updated") {
      progress("apt knows no kernel: apt-get update");
      await run(["apt-get", "-qq", "update"]).catch(() => {}); // not root, or no network
    }
    for (const meta of META_PACKAGES) {
      const image = (await dependencies(meta)).find((name) =>
        /^linux-image-\d/.test(name)
      );
      if (image === undefined) continue;
      const modules = (await dependencies(image)).filter((name) =>
        /^linux-modules-\d/.test(name)
      );
      const extra = modules.map((name) =>
        name.replace("linux-modules-", "linux-modules-extra-")
      );
      const known = await Promise.all(extra.map(isKnown));
      return [image, ...modules, ...extra.filter((_, index) => known[index])];
    }
  }
  throw new GuestError(
    `Cannot find a kernel for the guest: apt knows neither ${
      META_PACKAGES.join(" nor ")
    }`,
  );
}

async function dependencies(debianPackage: string): Promise<readonly string[]> {
  try {
    const text = await runText([
      "apt-cache",
      "depends",
      "--important",
      debianPackage,
    ]);
    return [...text.matchAll(/^[ |]*Depends: (\S+)$/gm)].map((match) =>
      match[1] ?? ""
    );
  } catch {
    return []; // apt-cache fails where it does not know the package
  }
}

async function isKnown(debianPackage: string): Promise<boolean> {
  const text = await runText(["apt-cache", "policy", debianPackage]);
  return text.includes("Candidate:") && !text.includes("Candidate: (none)");
}

async function names(directory: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(directory)) found.push(entry.name);
  return found.sort();
}
