/**
 * The executable of `deno task build` where a node is odd: without a C library,
 * without room, without a place to write, without `/proc`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { buildInfo } from "../../deploy/entry.ts";
import { VERSION } from "../../mod/core/version.ts";
import { Child, must, run, type RunResult } from "../lab/exec.ts";
import { EXECUTABLE, FOLDER, RUNTIME_FOLDER } from "../support/bundled.ts";
import { eventually } from "../support/eventually.ts";
import { findCommand } from "../support/packages.ts";
import { skipped } from "../support/skip.ts";
import { tempDir } from "../support/temp_dir.ts";

const NEEDS = {
  root: true,
  commands: ["unshare", "busybox", "mount"],
  files: ["/lib/ld-musl-x86_64.so.1"],
};
const IGNORE = skipped("the launcher's odd nodes", NEEDS);

/** Static: not stopped by what the environment has for the executable. */
const BUSYBOX = findCommand("busybox") ?? "busybox";

const { commit } = await buildInfo("bundled");

function assertVersion({ code, stdout, stderr }: RunResult): void {
  assert.equal(stderr, "");
  assert.equal(
    stdout.replace(/V8 [^,]*/, "V8"),
    `clusternet ${VERSION} (commit ${commit}, Deno ${Deno.version.deno}, V8, ${Deno.build.arch}, build bundled)\n`,
  );
  assert.equal(code, 0);
}

function assertSays({ code, stdout, stderr }: RunResult, what: RegExp): void {
  assert.equal(stdout, "");
  assert.match(stderr, what);
  assert.match(stderr, /^clusternet: [^\n]+\n$/, "one line");
  assert.equal(code, 1);
}

interface Root {
  /** Shell commands run before it, where `$root` is; in mounts of their own. */
  readonly before?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Not to be mounted. */
  readonly withoutProc?: boolean;
}

/** Runs the executable in a root with nothing else in it, by default. */
async function inRoot(
  root: string,
  { before = "", args = ["version"], env = {}, withoutProc = false }: Root,
): Promise<RunResult> {
  await Deno.mkdir(join(root, "proc"), { recursive: true });
  await run(["cp", "--reflink=auto", EXECUTABLE, join(root, "clusternet")]);
  const proc = withoutProc ? ":" : "mount -t proc proc $root/proc";
  const variables = Object.entries(env).map(([name, value]) =>
    `${name}=${value}`
  );
  return await run([
    ...["unshare", "--mount", "--propagation", "private", "sh", "-euc"],
    `root=$1; shift; ${proc}; ${before}
exec env -i "$@"`,
    ...[
      "sh",
      root,
      ...variables,
      BUSYBOX,
      "chroot",
      root,
      "/clusternet",
      ...args,
    ],
  ]);
}

Deno.test("clusternet version says version, commit, Deno and bundled", async () => {
  await using dir = await tempDir();
  const base = join(dir.path, "runtime");
  assertVersion(await run([EXECUTABLE, "--runtime-dir", base, "version"]));
  // Without /lib64 and the like: these are the launcher's.
  const { stdout } = await run([
    ...["env", "-i", `CLUSTERNET_RUNTIME_DIR=${base}`],
    ...["LD_PRELOAD=/none.so", "LD_LIBRARY_PATH=/lib"],
    ...[EXECUTABLE, "--runtime-info"],
  ]);
  assert.match(stdout, new RegExp(`^version deno ${Deno.version.deno}$`, "m"));
});

Deno.test("a terminal sees what the program says, and nothing of the runtime's", async () => {
  await using dir = await tempDir();
  const base = join(dir.path, "runtime");
  const rows = [
    ["version", /^clusternet 0/],
    ["nothing", /^clusternet: there is no command "nothing"/],
  ] as const;
  for (const [command, says] of rows) {
    const line = `'${EXECUTABLE}' --runtime-dir '${base}' ${command}`;
    const { stdout } = await run(["script", "-qec", line, "/dev/null"]);
    const lines = stdout.trimEnd().split("\r\n");
    assert.equal(lines.length, 1, stdout);
    assert.match(stdout, says);
  }
});

Deno.test("the process is the one that was started, called clusternet; a signal ends it", async () => {
  await using dir = await tempDir();
  const file = join(dir.path, "other-name");
  const fifo = join(dir.path, "config");
  await run(["cp", "--reflink=auto", EXECUTABLE, file]);
  await must(["mkfifo", fifo]);
  const child = new Child("agent", [
    ...[file, "--runtime-dir", join(dir.path, "runtime")],
    // Nobody ever writes to it.
    ...["run", "--config", fifo],
  ]);
  const name = `/proc/${child.pid}/comm`;
  const named = (): boolean => Deno.readTextFileSync(name) === "clusternet\n";
  await eventually(named, { within: 20_000, what: "its name" });
  assert.equal(await child.stop("SIGTERM"), -15);
});

Deno.test("the exit code is the program's, and its help has the launcher's options", async () => {
  await using dir = await tempDir();
  const base = join(dir.path, "runtime");
  const { code, stderr } = await run([EXECUTABLE, "--runtime-dir", base, "x"]);
  assert.equal(code, 2);
  assert.match(stderr, /^clusternet: there is no command "x"/);
  const help = await run([EXECUTABLE, "--runtime-dir", base, "help"]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /^ {2}--runtime-info /m);
});

/** Where it works: nothing of the root is needed but a place to write. */
const GOOD: readonly (readonly [string, Root])[] = [
  ["with nothing but the file and /proc, and no HOME", {}],
  ["with musl alone", {
    before: `mkdir -p $root/lib $root/etc
cp -L /lib/ld-musl-x86_64.so.1 $root/lib/
echo /lib > $root/etc/ld-musl-x86_64.path`,
  }],
  ["with a C library that it must not load", {
    before: `for folder in lib/x86_64-linux-gnu lib64 usr/lib64; do
  mkdir -p $root/$folder
  for name in libc.so.6 libm.so.6 ld-linux-x86-64.so.2; do
    echo old > $root/$folder/$name
  done
done`,
    env: { LD_LIBRARY_PATH: "/lib64", LD_PRELOAD: "/lib64/libc.so.6" },
  }],
  ["read-only, with a state directory to write to", {
    before: `mkdir -p $root/var/lib/clusternet
mount --bind $root $root
mount -t proc proc $root/proc
mount -t tmpfs -o mode=700 tmpfs $root/var/lib/clusternet
mount -o remount,bind,ro $root`,
  }],
  ["with /var/lib mounted noexec, into XDG_CACHE_HOME", {
    before: `mkdir -p $root/var/lib
mount -t tmpfs -o noexec tmpfs $root/var/lib`,
    env: { XDG_CACHE_HOME: "/cache", HOME: "/none" },
  }],
  ["with /var/lib mounted noexec, into HOME", {
    before: `mkdir -p $root/var/lib $root/root
mount -t tmpfs -o noexec tmpfs $root/var/lib`,
    env: { HOME: "/root" },
  }],
  ["read-only, with the runtime beside it", {
    before: `cp ${FOLDER}/launcher $root/clusternet
mkdir $root/clusternet.runtime
mount --bind ${RUNTIME_FOLDER} $root/clusternet.runtime
mount --rbind $root $root
mount -o remount,bind,ro $root`,
  }],
];

for (const [where, root] of GOOD) {
  Deno.test({
    name: `clusternet runs on a root ${where}`,
    ignore: IGNORE,
    fn: async () => {
      await using dir = await tempDir();
      assertVersion(await inRoot(dir.path, root));
    },
  });
}

/** Where it cannot work, and what it says. */
const BAD: readonly (readonly [string, Root, RegExp])[] = [
  ["without /proc", { withoutProc: true }, /mount \/proc/],
  [
    "with nowhere to write",
    {
      before: `mount --rbind $root $root; mount -o remount,bind,ro $root`,
      env: { HOME: "/root" },
    },
    /^clusternet: Cannot unpack the runtime, name another directory with --runtime-dir: \/var\/lib\/clusternet\/runtime: Read-only file system; \/root\/\.cache\/clusternet\/runtime: Read-only file system\n$/,
  ],
  [
    "with nowhere to execute, and no HOME",
    {
      before: `mkdir -p $root/var/lib
mount -t tmpfs -o noexec tmpfs $root/var/lib`,
    },
    /: \/var\/lib\/clusternet\/runtime: it is mounted noexec\n$/,
  ],
  [
    "with too little room",
    {
      before: `mkdir -p $root/small
mount -t tmpfs -o size=40m tmpfs $root/small`,
      args: ["--runtime-dir", "/small", "version"],
    },
    /^clusternet: Cannot unpack .*: No space left on device\n$/,
  ],
];

for (const [where, root, says] of BAD) {
  Deno.test({
    name: `clusternet says why on a root ${where}`,
    ignore: IGNORE,
    fn: async () => {
      await using dir = await tempDir();
      assertSays(await inRoot(dir.path, root), says);
    },
  });
}

Deno.test({
  name: "clusternet leaves nothing in a directory with too little room",
  ignore: IGNORE,
  fn: async () => {
    const script = `mount -t tmpfs -o size=40m tmpfs /mnt
"$1" --runtime-dir /mnt/runtime version 2>/dev/null
find /mnt -type f -o -name .unpack`;
    const { stdout } = await run([
      ...["unshare", "--mount", "--propagation", "private", "sh", "-uc"],
      ...[script, "sh", EXECUTABLE],
    ]);
    assert.equal(stdout, "");
  },
});

Deno.test("two starts at once on an empty directory both run", async () => {
  await using dir = await tempDir();

  const command = [EXECUTABLE, "--runtime-dir", dir.path, "version"];
  const both = await Promise.all([run(command), run(command)]);
  for (const outcome of both) assertVersion(outcome);
  assert.equal([...Deno.readDirSync(dir.path)].length, 1);
});
