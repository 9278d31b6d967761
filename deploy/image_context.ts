/**
 * The two folders that `Containerfile` copies: `runtime/`, which changes with
 * Deno's version alone, and `program/`. Invariant: modes and owners are set
 * here, so that neither umask nor checkout shows in the image.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { DOC_DIR } from "./image_labels.ts";

const ROOT = new URL("../", import.meta.url);

const LAUNCHER = "/usr/bin/clusternet";

/** Where the launcher looks for what it would unpack otherwise. */
const RUNTIME = `${LAUNCHER}.runtime`;

/** Those of its files that change with the program; the others are Deno and the C library. */
const OF_PROGRAM = /\.js$|^manifest$/;

/** What a pod mounts something on, or the container runtime does. */
const MOUNT_POINTS: readonly string[] = [
  "/dev",
  "/etc/cni/net.d",
  "/host/proc/sys/net",
  "/opt/cni/bin",
  "/proc",
  "/run/clusternet",
  "/run/clusternet",
  "/run/clusternet-cni",
  "/run/secrets/kubernetes.io/serviceaccount",
  "/run/wireguard",
  "/sys",
  "/tmp",
  "/var/lib/clusternet",
];

const MOUNTED_FILES: readonly string[] = [
  "/etc/hostname",
  "/etc/hosts",
  "/etc/resolv.conf",
];

const DOCS: readonly string[] = ["LICENSE", "README.md", "CHANGELOG.md"];

export interface ContextOptions {
  /** Folder of `deno task build`, with `launcher` and `runtime/`. */
  readonly built: string;
  /** Those of others in it. */
  readonly licenses: string;
}

export async function makeContext(
  folder: string,
  { built, licenses }: ContextOptions,
): Promise<void> {
  const runtime = join(folder, "runtime");
  const program = join(folder, "program");
  for (const path of filesBelow(join(built, "runtime"))) {
    const part = OF_PROGRAM.test(path) ? program : runtime;
    const from = join(built, "runtime", path);
    const mode = (await Deno.stat(from)).mode ?? 0;
    await place(from, join(part, RUNTIME, path), (mode & 0o100) !== 0);
  }
  await place(join(built, "launcher"), join(program, LAUNCHER), true);
  for (const name of DOCS) {
    await place(
      new URL(name, ROOT).pathname,
      join(program, DOC_DIR, name),
      false,
    );
  }
  const licensesFile = join(program, DOC_DIR, "THIRD_PARTY_LICENSES");
  await Deno.writeTextFile(licensesFile, licenses);
  await Deno.chmod(licensesFile, 0o644);
  for (const path of MOUNT_POINTS) await makeFolder(join(program, path));
  for (const path of MOUNTED_FILES) await makeFile(join(program, path));
  await Deno.symlink("../run", join(program, "var/run"));
  await setModes(folder);
  await Deno.chmod(join(program, "/var/lib/clusternet"), 0o700);
  await Deno.chmod(join(program, "/tmp"), 0o1777);
}

function* filesBelow(folder: string, prefix = ""): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = prefix + name;
    if (!isDirectory) yield path;
    else yield* filesBelow(join(folder, name), `${path}/`);
  }
}

async function place(
  from: string,
  to: string,
  executable: boolean,
): Promise<void> {
  await makeFolder(dirname(to));
  await Deno.copyFile(from, to);
  await Deno.chmod(to, executable ? 0o755 : 0o644);
}

async function makeFile(path: string): Promise<void> {
  await makeFolder(dirname(path));
  await Deno.writeFile(path, new Uint8Array(), { mode: 0o644 });
  await Deno.chmod(path, 0o644);
}

async function makeFolder(path: string): Promise<void> {
  await Deno.mkdir(path, { recursive: true });
}

async function setModes(folder: string): Promise<void> {
  await Deno.chmod(folder, 0o755);
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) await setModes(join(folder, name));
  }
}
