/**
 * The parts of the guest that change rarely, built once and kept in the cache under the checksum of all
 * that went into them: a small initramfs, and an ext4 image with the kernel's modules, the
 * programs of `host.ts` with their libraries, and this Deno.
 *
 * @module
 */

import {
  buildOnce,
  CNI_DIRECTORY,
  CNI_PLUGINS,
  exists,
  GUEST_PROGRAMS,
  OPTIONAL_PROGRAMS,
  run,
  runText,
} from "./host.ts";
import { findCommand } from "../support/packages.ts";
import { type KernelPackage, kernelPackage } from "./kernel_package.ts";

export interface SystemImage {
  readonly vmlinuz: string;
  readonly initramfs: string;
  /** ext4, to be attached read-only; any number of guests share it. */
  readonly system: string;
}

/** Directory of the guest that holds what is ours. */
export const GUEST_DIRECTORY = "/usr/lib/clusternet-guest";

/** Plugins that programs load by path, where the host has them. */
const PLUGIN_DIRECTORIES = [
  "/usr/lib/x86_64-linux-gnu/xtables",
  "/usr/lib/tc",
  "/usr/share/tc",
];

/** Modules that the initramfs loads; what they depend on comes along. */
const BOOT_MODULES = ["virtio_pci", "virtio_blk", "virtio_console", "overlay"];

/** Of the kernel's modules, those that a network in a virtual machine can want. */
const MODULE_DIRECTORIES = [
  "arch",
  "block",
  "crypto",
  "fs",
  "lib",
  "mm",
  "net",
  "security",
];
const DRIVER_DIRECTORIES = ["block", "char", "net", "virtio"];
/** Drivers of real hardware: many and large. */
const SKIPPED_DIRECTORIES = ["drivers/net/ethernet", "drivers/net/wireless"];

/** Finds or builds the images; a few seconds when nothing is there yet, the download apart. */
export async function systemImage(
  cache: string,
  progress: (message: string) => void,
): Promise<SystemImage> {
  const kernel = await kernelPackage(cache, progress);
  const programs = guestPrograms();
  const key = await checksum(kernel, programs);
  const directory = `${cache}/system-${key}`;
  await buildOnce(directory, async (temporary) => {
    progress(`building the guest's system with Linux ${kernel.version}`);
    const started = performance.now();
    await Deno.mkdir(temporary);
    await removeOldSystems(cache);
    const modules = await stageModules(kernel, `${temporary}/modules`);
    await buildInitramfs(kernel, modules, temporary);
    await buildSystem(programs, modules, temporary);
    await Deno.remove(modules, { recursive: true });
    progress(
      `built it in ${((performance.now() - started) / 1000).toFixed(1)} s`,
    );
  });
  return {
    vmlinuz: kernel.vmlinuz,
    initramfs: `${directory}/initramfs`,
    system: `${directory}/system.ext4`,
  };
}

/** Host paths of all programs and plugins for the guest. */
function guestPrograms(): readonly string[] {
  const found: string[] = [];
  for (
    const program of [...Object.keys(GUEST_PROGRAMS), ...OPTIONAL_PROGRAMS]
  ) {
    const path = findCommand(program);
    if (path !== undefined) found.push(path);
  }
  return [
    ...found,
    ...CNI_PLUGINS.map((plugin) => `${CNI_DIRECTORY}/${plugin}`),
  ].sort();
}

/** Of names, sizes and times of the programs, the kernel, and the text of our own scripts. */
async function checksum(
  kernel: KernelPackage,
  programs: readonly string[],
): Promise<string> {
  const parts: string[] = [kernel.version];
  for (const path of [kernel.vmlinuz, Deno.execPath(), ...programs]) {
    const { size, mtime } = await Deno.stat(path);
    parts.push(`${path} ${size} ${mtime?.getTime()}`);
  }
  for (
    const name of [
      "guest/initramfs.sh",
      "guest/boot.sh",
      "guest/deno.sh",
      "system_image.ts",
    ]
  ) {
    parts.push(await Deno.readTextFile(new URL(name, import.meta.url)));
  }
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(parts.join("\n")),
  );
  return new Uint8Array(digest).toHex().slice(0, 16);
}

/** Guests that run keep their images open; nobody misses one that is a week old. */
async function removeOldSystems(cache: string): Promise<void> {
  for await (const { name } of Deno.readDir(cache)) {
    if (!name.startsWith("system-")) continue;
    const { mtime } = await Deno.stat(`${cache}/${name}`);
    if ((mtime?.getTime() ?? 0) < Date.now() - 7 * 86_400_000) {
      await Deno.remove(`${cache}/${name}`, { recursive: true });
    }
  }
}

/** Copies the modules that we want, with their index. Returns a tree that holds `lib/modules`. */
async function stageModules(
  kernel: KernelPackage,
  stage: string,
): Promise<string> {
  const from = `${kernel.modules}/lib/modules/${kernel.version}`;
  const to = `${stage}/lib/modules/${kernel.version}`;
  await Deno.mkdir(`${to}/kernel/drivers`, { recursive: true });
  for (
    const name of [
      "modules.builtin",
      "modules.builtin.modinfo",
      "modules.order",
    ]
  ) {
    if (await exists(`${from}/${name}`)) {
      await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
    }
  }
  const wanted = [
    ...MODULE_DIRECTORIES.map((name) => `kernel/${name}`),
    ...DRIVER_DIRECTORIES.map((name) => `kernel/drivers/${name}`),
  ];
  for (const name of wanted) {
    if (await exists(`${from}/${name}`)) {
      await run(["cp", "-r", `${from}/${name}`, `${to}/${name}`]);
    }
  }
  for (const name of SKIPPED_DIRECTORIES) {
    await Deno.remove(`${to}/kernel/${name}`, { recursive: true }).catch(
      () => {},
    );
  }
  await run(["depmod", "-b", stage, kernel.version]);
  return stage;
}

/** `busybox`, `modprobe`, a handful of modules and `initramfs.sh`, as a gzipped cpio archive. */
async function buildInitramfs(
  kernel: KernelPackage,
  modules: string,
  directory: string,
): Promise<void> {
  const stage = `${directory}/initramfs-stage`;
  await makeSkeleton(stage, [
    "dev",
    "memory",
    "proc",
    "root",
    "run-image",
    "sys",
    "system",
  ]);
  await installPrograms(stage, [
    await found("busybox"),
    await found("modprobe"),
  ]);
  const from = `${modules}/lib/modules/${kernel.version}`;
  const to = `${stage}/usr/lib/modules/${kernel.version}`;
  for (
    const path of await withDependencies(`${from}/modules.dep`, BOOT_MODULES)
  ) {
    await copyInto(`${from}/${path}`, `${to}/${path}`);
  }
  for (
    const name of [
      "modules.builtin",
      "modules.builtin.modinfo",
      "modules.order",
    ]
  ) {
    if (await exists(`${from}/${name}`)) {
      await copyInto(`${from}/${name}`, `${to}/${name}`);
    }
  }
  await run(["depmod", "-b", stage, kernel.version]);
  await installScript("initramfs.sh", `${stage}/init`);
  const files = await run(["busybox", "find", "."], { cwd: stage });
  const cpio = ["busybox", "cpio", "-o", "-H", "newc"];
  const archive = await run(cpio, { cwd: stage, stdin: new Uint8Array(files) });
  await Deno.writeFile(`${directory}/initramfs`, archive);
  await Deno.remove(stage, { recursive: true });
}

/** Paths (relative to the directory of `modules.dep`) of modules and all that they need. */
async function withDependencies(
  index: string,
  modules: readonly string[],
): Promise<ReadonlySet<string>> {
  const paths = new Set<string>();
  for (const line of (await Deno.readTextFile(index)).split("\n")) {
    const [path = "", needs = ""] = line.split(":");
    const name = (path.split("/").pop() ?? "").replace(/\.ko(\..*)?$/, "")
      .replaceAll("-", "_");
    if (!modules.includes(name)) continue;
    for (const wanted of [path, ...needs.split(" ")]) {
      if (wanted !== "") paths.add(wanted);
    }
  }
  return paths;
}

/** The tree of the guest's system, made into an ext4 image without a journal. */
async function buildSystem(
  programs: readonly string[],
  modules: string,
  directory: string,
): Promise<void> {
  const stage = `${directory}/system-stage`;
  await makeSkeleton(stage, [
    "dev",
    "etc",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
    "var",
    "out",
  ]);
  await Deno.symlink("/run", `${stage}/var/run`);
  await installPrograms(stage, programs);
  await installPrograms(stage, [Deno.execPath()], `${GUEST_DIRECTORY}/deno`);
  await installApplets(stage);
  await installScript("boot.sh", `${stage}${GUEST_DIRECTORY}/boot.sh`);
  await installScript("deno.sh", `${stage}/usr/bin/deno`);
  for (const plugins of PLUGIN_DIRECTORIES) {
    if (!await exists(plugins)) continue;
    await Deno.mkdir(`${stage}${plugins}`, { recursive: true });
    await run(["cp", "-rL", `${plugins}/.`, `${stage}${plugins}`]);
  }
  await run(["cp", "-r", `${modules}/lib/modules`, `${stage}/usr/lib/modules`]);
  // tcpdump steps down to its own user; programs ask for the names of root and nobody.
  const users = [
    "root:x:0:0::/root:/bin/bash",
    "tcpdump:x:104:104::/:/bin/false",
  ];
  users.push("nobody:x:65534:65534::/:/bin/false", "");
  await Deno.writeTextFile(`${stage}/etc/passwd`, users.join("\n"));
  await Deno.writeTextFile(
    `${stage}/etc/group`,
    "root:x:0:\ntcpdump:x:104:\nnogroup:x:65534:\n",
  );
  await Deno.writeTextFile(
    `${stage}/etc/hosts`,
    "127.0.0.1 localhost guest\n::1 localhost\n",
  );
  await makeImage(stage, `${directory}/system.ext4`);
  await Deno.remove(stage, { recursive: true });
}

/** A root directory with a merged `/usr`, as Debian has it. */
async function makeSkeleton(
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
async function installPrograms(
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
async function copyInto(from: string, to: string): Promise<void> {
  await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
  await Deno.copyFile(from, to);
}

/** BusyBox under the name of each of its applets that no real program has. */
async function installApplets(stage: string): Promise<void> {
  for (
    const applet of (await runText(["busybox", "--list"])).trim().split("\n")
  ) {
    const taken = await Promise.all(
      ["bin", "sbin"].map((d) => exists(`${stage}/usr/${d}/${applet}`)),
    );
    if (!taken.includes(true)) {
      await Deno.symlink("/bin/busybox", `${stage}/usr/bin/${applet}`);
    }
  }
}

async function installScript(name: string, to: string): Promise<void> {
  await copyInto(new URL(`guest/${name}`, import.meta.url).pathname, to);
  await Deno.chmod(to, 0o755);
}

function found(program: string): string {
  const path = findCommand(program);
  if (path === undefined) {
    throw new Error(`Cannot find ${program}: not on this host`);
  }
  return path;
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
