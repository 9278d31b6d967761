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
  digest,
  exists,
  GUEST_FILES,
  GUEST_PROGRAMS,
  OPTIONAL_PROGRAMS,
  run,
  runText,
  touch,
} from "./host.ts";
import { findCommand } from "../support/packages.ts";
import { buildInitramfs, stageModules } from "./initramfs.ts";
import {
  copyInto,
  installPrograms,
  installScript,
  makeImage,
  makeSkeleton,
} from "./stage.ts";
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
    const modules = await stageModules(kernel, `${temporary}/modules`);
    await buildInitramfs(kernel, modules, temporary);
    await buildSystem(programs, modules, temporary);
    await Deno.remove(modules, { recursive: true });
    progress(
      `built it in ${((performance.now() - started) / 1000).toFixed(1)} s`,
    );
  });
  await touch(directory);
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
  const files = Object.keys(GUEST_FILES);
  for (const path of [kernel.vmlinuz, Deno.execPath(), ...programs, ...files]) {
    const { size, mtime } = await Deno.stat(path);
    parts.push(`${path} ${size} ${mtime?.getTime()}`);
  }
  for (
    const name of [
      "guest/initramfs.sh",
      "guest/boot.sh",
      "guest/deno.sh",
      "initramfs.ts",
      "stage.ts",
      "system_image.ts",
    ]
  ) {
    parts.push(await Deno.readTextFile(new URL(name, import.meta.url)));
  }
  return await digest(parts);
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
  for (const file of Object.keys(GUEST_FILES)) {
    await copyInto(file, `${stage}${file}`);
  }
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
