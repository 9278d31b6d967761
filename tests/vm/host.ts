/**
 * What the guest needs of the host: programs, their Debian packages, a cache directory, and
 * running a program to its end. Nothing here needs root.
 *
 * @module
 */

import { findCommand, missingNeeds, type Need } from "../support/packages.ts";

/** Something that the person at the keyboard can mend; its message is one sentence. */
export class GuestError extends Error {
  override readonly name = "GuestError";
}

/** Programs of the host that build and run the guest, and the Debian package of each. */
const HOST_PROGRAMS: Readonly<Record<string, string>> = {
  "qemu-system-x86_64": "qemu-system-x86",
  "mke2fs": "e2fsprogs",
  "depmod": "kmod",
  "dpkg-deb": "dpkg",
  "apt-get": "apt",
  "setpriv": "util-linux",
  "tar": "tar",
};

/**
 * Programs that the guest gets, with the libraries that `ldd` names, and the Debian package of
 * each. BusyBox supplies what is not here; it would start its own `ip` and `ping` for others,
 * hence the shell and the programs that start programs.
 */
export const GUEST_PROGRAMS: Readonly<Record<string, string>> = {
  "apparmor_parser": "apparmor",
  "bash": "bash",
  "bridge": "iproute2",
  "busybox": "busybox-static",
  "chroot": "coreutils",
  "dash": "dash",
  "depmod": "kmod",
  "env": "coreutils",
  "flock": "util-linux",
  "ip": "iproute2",
  "ip6tables": "iptables",
  "iptables": "iptables",
  "lsmod": "kmod",
  "modprobe": "kmod",
  "mount": "util-linux",
  "nft": "nftables",
  "nice": "coreutils",
  "nohup": "coreutils",
  "nsenter": "util-linux",
  "openssl": "openssl",
  "ping": "iputils-ping",
  "rmmod": "kmod",
  "runc": "runc",
  "setpriv": "util-linux",
  "setsid": "util-linux",
  "sh": "dash",
  "sleep": "coreutils",
  "ss": "iproute2",
  "strace": "strace",
  "tar": "tar",
  "tc": "iproute2",
  "tcpdump": "tcpdump",
  "timeout": "coreutils",
  "umount": "util-linux",
  "unshare": "util-linux",
  "wg": "wireguard-tools",
  "xargs": "findutils",
};

/** Taken along where the host has them; their absence is no fault. */
export const OPTIONAL_PROGRAMS: readonly string[] = [
  "conntrack",
  "curl",
  "jq",
  "wireguard-go",
];

/** The real CNI plugins of package `containernetworking-plugins`. */
export const CNI_DIRECTORY = "/usr/lib/cni";
export const CNI_PLUGINS: readonly string[] = [
  "bandwidth",
  "bridge",
  "host-local",
  "loopback",
  "portmap",
  "ptp",
];

/** Files that those programs read, where they look for them, and the Debian package of each. */
export const GUEST_FILES: Readonly<Record<string, string>> = {
  "/usr/lib/ssl/openssl.cnf": "openssl",
  "/usr/share/containers/seccomp.json": "golang-github-containers-common",
};

/** All that a guest needs of this host, installed or not. */
export function guestNeeds(): readonly Need[] {
  const programs = [
    ...Object.entries(HOST_PROGRAMS).map(([name, from]) => ({
      name,
      from,
      why: "it boots the guest",
    })),
    ...Object.entries(GUEST_PROGRAMS).map(([name, from]) => ({
      name,
      from,
      why: "the guest runs it",
    })),
  ];
  return [
    ...programs.map(({ name, from, why }) => ({
      package: from,
      why,
      anyOf: [name],
    })),
    ...CNI_PLUGINS.map((name) => ({
      package: "containernetworking-plugins",
      why: "the guest runs it",
      anyOf: [`${CNI_DIRECTORY}/${name}`],
    })),
    ...Object.entries(GUEST_FILES).map(([file, from]) => ({
      package: from,
      why: "a program in the guest reads it",
      anyOf: [file],
    })),
  ];
}

/** The Debian packages to install before a guest can run here, sorted; empty when all is there. */
export function requirements(): readonly string[] {
  return [...new Set(missingNeeds(guestNeeds()).map((need) => need.package))]
    .sort();
}

/** Throws a {@link GuestError} that names every missing package. */
export function requireHost(): void {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    throw new GuestError(
      `Cannot boot the guest on ${Deno.build.os} ${Deno.build.arch}: it needs Linux on x86-64`,
    );
  }
  const missing = requirements();
  if (missing.length > 0) {
    throw new GuestError(
      `Cannot boot the guest: run \`apt-get install --no-install-recommends ${
        missing.join(" ")
      }\``,
    );
  }
}

/** `$XDG_CACHE_HOME/clusternet/vm`, made if it is not there. Everything in it can be deleted. */
export async function cacheDirectory(): Promise<string> {
  const home = Deno.env.get("XDG_CACHE_HOME") ??
    `${Deno.env.get("HOME") ?? "/root"}/.cache`;
  const directory = `${home}/clusternet/vm`;
  await Deno.mkdir(directory, { recursive: true });
  return directory;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: Uint8Array<ArrayBuffer>;
}

/** Runs a program to its end. Returns its stdout; throws with its stderr where it failed. */
export async function run(
  argv: readonly string[],
  options: RunOptions = {},
): Promise<Uint8Array> {
  const [program = "", ...args] = argv;
  const child = new Deno.Command(findCommand(program) ?? program, {
    args,
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
  }).spawn();
  const output = child.output();
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(options.stdin);
    await writer.close();
  }
  const { success, code, stdout, stderr } = await output;
  if (!success) {
    const reason = new TextDecoder().decode(stderr).trim() ||
      `exit code ${code}`;
    throw new Error(`Cannot run "${argv.slice(0, 4).join(" ")}": ${reason}`);
  }
  return stdout;
}

/** {@link run}, its stdout as text. */
export async function runText(
  argv: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  return new TextDecoder().decode(await run(argv, options));
}

export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (err) {
    if (
      err instanceof Deno.errors.NotFound ||
      err instanceof Deno.errors.NotADirectory
    ) {
      return false;
    }
    throw err;
  }
}

/**
 * Builds `path` once: `build` writes to a temporary name beside it, which is renamed, so that no
 * one ever sees a half. Others that want the same wait for it (a lock beside the file).
 */
export async function buildOnce(
  path: string,
  build: (temporary: string) => Promise<void>,
): Promise<void> {
  if (await exists(path)) return;
  using lock = await Deno.open(`${path}.lock`, { create: true, write: true });
  await lock.lock(true);
  if (await exists(path)) return;
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    await build(temporary);
    await Deno.rename(temporary, path);
  } finally {
    await Deno.remove(temporary, { recursive: true }).catch(() => {});
    await Deno.remove(`${path}.lock`).catch(() => {});
  }
}

/** The first half of the SHA-256 of some lines, as hex: a name for what they describe. */
export async function digest(lines: readonly string[]): Promise<string> {
  const bytes = new TextEncoder().encode(lines.join("\n"));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex()
    .slice(0, 32);
}

/** Marks something in the cache as in use. */
export async function touch(path: string): Promise<void> {
  const now = new Date();
  await Deno.utime(path, now, now);
}

/** Deletes what nobody has used for a day: images, and files of runs that were killed. */
export async function removeUnused(cache: string): Promise<void> {
  for await (const { name } of Deno.readDir(cache)) {
    if (!/^(system|npm|run)-/.test(name) || name.endsWith(".lock")) continue;
    const { mtime } = await Deno.stat(`${cache}/${name}`);
    if ((mtime?.getTime() ?? 0) < Date.now() - 86_400_000) {
      await Deno.remove(`${cache}/${name}`, { recursive: true });
    }
  }
}
