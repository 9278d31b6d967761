/**
 * The root of a Debian with systemd, made once by debootstrap and kept in the
 * cache under the name of all that went into it. Read only: every machine puts
 * an overlay of its own over it.
 *
 * @module
 */

import { run } from "../lab/exec.ts";
import { buildOnce, digest, exists, runText, touch } from "../vm/host.ts";

/** Its systemd: 257, and 252, which has no Type=notify-reload and no RestartSteps. */
export type Suite = "trixie" | "bookworm";

const PACKAGES: readonly string[] = [
  ...["systemd", "systemd-sysv", "dbus", "udev", "procps", "kmod"],
  ...["iproute2", "iputils-ping", "nftables"],
  ...["containernetworking-plugins"],
  ...["wireguard-tools", "wireguard-go"],
];

/** What one of them has in addition; nothing of it is started by a boot. */
const MORE: Readonly<Record<Suite, readonly string[]>> = {
  bookworm: [],
  trixie: ["network-manager"],
};

/** Changes whenever `FINISH` does something else. */
const RECIPE = "1";

/**
 * What a first boot would do, done: a machine that has booted before starts in
 * half a second. No name servers, no lists of apt's.
 */
const FINISH = `
set -eu
cd "$1"
echo 5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e > etc/machine-id
echo machine > etc/hostname
printf '127.0.0.1 localhost machine\\n::1 localhost\\n' > etc/hosts
: > etc/resolv.conf
if [ -e usr/sbin/NetworkManager ]; then
  chroot . systemctl disable NetworkManager.service
fi
rm -rf var/cache/apt/archives/*.deb var/lib/apt/lists/* var/log/*.log tmp/*
chroot . ldconfig
chroot . journalctl --update-catalog
touch etc/.updated var/.updated`;

/** A root that nobody has booted for so long is deleted; three days, in milliseconds. */
const UNUSED_MS = 3 * 86_400_000;

/** @returns its directory; nothing may be changed in it */
export async function debianRoot(suite: Suite): Promise<string> {
  const home = Deno.env.get("HOME") ?? "/root";
  const cache = Deno.env.get("XDG_CACHE_HOME") || `${home}/.cache`;
  const roots = `${cache}/clusternet/roots`;
  await Deno.mkdir(roots, { recursive: true });
  const packages = [...PACKAGES, ...MORE[suite]];
  const key = await digest([suite, RECIPE, ...packages, FINISH]);
  const directory = `${roots}/${suite}-${key.slice(0, 12)}`;
  if (!await exists(directory)) {
    console.log(`making a root of Debian ${suite}, once: about a minute`);
    await removeUnused(roots);
    await buildOnce(directory, (path) => build(suite, packages, path));
  }
  await touch(directory);
  return directory;
}

/** Roots of an earlier recipe, and what an interrupted build has left. */
async function removeUnused(roots: string): Promise<void> {
  for await (const { name } of Deno.readDir(roots)) {
    const { mtime } = await Deno.stat(`${roots}/${name}`);
    if ((mtime?.getTime() ?? 0) > Date.now() - UNUSED_MS) continue;
    await Deno.remove(`${roots}/${name}`, { recursive: true });
  }
}

async function build(
  suite: Suite,
  packages: readonly string[],
  directory: string,
): Promise<void> {
  const mirror = await debianMirror();
  const { code, stdout, stderr } = await run([
    ...["debootstrap", "--variant=minbase"],
    `--include=${packages.join(",")}`,
    ...[suite, directory],
    ...(mirror === undefined ? [] : [mirror]),
  ], { env: { DEBIAN_FRONTEND: "noninteractive" } });
  if (code !== 0) {
    const last = `${stdout}\n${stderr}`.trim().split("\n").slice(-4).join(
      " | ",
    );
    throw new Error(`Cannot make a root of Debian ${suite}: ${last}`);
  }
  await runText(["sh", "-c", FINISH, "sh", directory]);
}

/** Where this machine's apt gets Debian from; `undefined`: debootstrap knows. */
async function debianMirror(): Promise<string | undefined> {
  const { stdout } = await run([
    ...["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)"],
    "Created-By: Packages",
  ]);
  return stdout.split("\n").map((line) => line.split(" "))
    .find(([origin, uri]) =>
      origin === "Debian" && /\/debian\/?$/.test(uri ?? "")
    )
    ?.[1];
}
