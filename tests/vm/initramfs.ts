/**
 * The kernel's modules, and the small file system that finds the disks with some of them.
 *
 * @module
 */

import { findCommand } from "../support/packages.ts";
import { exists, run } from "./host.ts";
import type { KernelPackage } from "./kernel_package.ts";
import {
  copyInto,
  installPrograms,
  installScript,
  makeSkeleton,
} from "./stage.ts";

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

/** Copies the modules that we want, with their index. Returns a tree that holds `lib/modules`. */
export async function stageModules(
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
export async function buildInitramfs(
  kernel: KernelPackage,
  modules: string,
  directory: string,
): Promise<void> {
  const stage = `${directory}/initramfs-stage`;
  await makeSkeleton(stage, [
    "dev",
    "memory",
    "npm",
    "proc",
    "root",
    "run-image",
    "sys",
    "system",
  ]);
  await installPrograms(stage, [
    found("busybox"),
    found("modprobe"),
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

function found(program: string): string {
  const path = findCommand(program);
  if (path === undefined) {
    throw new Error(`Cannot find ${program}: not on this host`);
  }
  return path;
}
