/** @module */

import assert from "node:assert/strict";
import { ERRNO, KernelError } from "../../mod/core/errors.ts";
import {
  type Descriptor,
  loadShim,
  LOCK_EX,
  LOCK_NB,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  S_IFMT,
  S_IFREG,
} from "../../mod/sys/shim.ts";
import { findAllUdp, findUdp } from "../../mod/sys/doctor_sockets.ts";
import { listProc } from "../../mod/sys/proc_file.ts";
import { decodeStatfs } from "../../mod/wire/statfs.ts";
import { openFiles } from "../support/open_files.ts";

const shim = await loadShim();

/** include/uapi/linux/netlink.h */
const NETLINK_ROUTE = 0;
const NETLINK_GENERIC = 16;

function errnoOf(run: () => unknown): number {
  try {
    run();
  } catch (error) {
    if (error instanceof KernelError) return error.errno;
    throw error;
  }
  return 0;
}

async function withDirectory(
  run: (directory: string) => void | Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "clusternet-shim-" });
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("Shim.open() creates with a mode, Shim.stat() reads it back", () =>
  withDirectory((directory) => {
    const path = `${directory}/key`;
    using file = shim.open(path, {
      flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
      mode: 0o600,
    });
    assert.equal(shim.write(file, new TextEncoder().encode("abc")), 3);
    shim.fsync(file);
    const stat = shim.stat(file);
    assert.equal(stat.mode, S_IFREG | 0o600);
    assert.equal(stat.mode & S_IFMT, S_IFREG);
    assert.equal(stat.size, 3);
    assert.equal(stat.links, 1);
    assert.equal(stat.uid, Deno.uid());
    assert.equal(stat.ino, BigInt(Deno.statSync(path).ino ?? 0));
    assert.equal(
      errnoOf(() => shim.open(path, { flags: O_WRONLY | O_CREAT | O_EXCL })),
      ERRNO.EEXIST,
    );
  }));

Deno.test("Shim.open() with O_NOFOLLOW refuses a symbolic link", () =>
  withDirectory((directory) => {
    Deno.writeTextFileSync(`${directory}/real`, "text");
    Deno.symlinkSync("real", `${directory}/link`);
    const flags = O_RDONLY | O_NOFOLLOW;
    assert.equal(
      errnoOf(() => shim.open(`${directory}/link`, { flags })),
      ERRNO.ELOOP,
    );
    using file = shim.open(`${directory}/real`, { flags });
    const buffer = new Uint8Array(16);
    assert.equal(shim.read(file, buffer), 4);
    assert.equal(shim.read(file, buffer), 0);
  }));

Deno.test("Shim.open() with O_DIRECTORY takes a directory only, and can sync it", () =>
  withDirectory((directory) => {
    using opened = shim.open(directory, { flags: O_RDONLY | O_DIRECTORY });
    shim.fsync(opened);
    Deno.writeTextFileSync(`${directory}/file`, "");
    assert.throws(
      () => shim.open(`${directory}/file`, { flags: O_RDONLY | O_DIRECTORY }),
      { message: `Cannot open ${directory}/file: Not a directory` },
    );
    assert.throws(() => shim.open("/a\0b", { flags: O_RDONLY }), TypeError);
  }));

Deno.test("listProc() names all that is in a directory, whatever it takes, and nothing that is not ours to read", () =>
  withDirectory((directory) => {
    const names = Array.from(
      { length: 3_000 },
      (_, at) => `${at}-ä${"x".repeat(at % 40)}`,
    );
    for (const name of names) {
      Deno.writeTextFileSync(`${directory}/${name}`, "");
    }
    assert.deepEqual(listProc(directory, shim)?.toSorted(), names.toSorted());
    assert.equal(listProc(`${directory}/${names[0]}`, shim), undefined);
    assert.equal(listProc(`${directory}/nowhere`, shim), undefined);
  }));

Deno.test("Shim.statFileSystem() says what df says", () =>
  withDirectory(async (directory) => {
    using place = shim.open(directory, { flags: O_RDONLY | O_DIRECTORY });
    const { available, readOnly } = decodeStatfs(shim.statFileSystem(place));
    const { stdout } = await new Deno.Command("df", {
      args: ["-B1", "--output=avail", directory],
    }).output();
    const said = Number(new TextDecoder().decode(stdout).split("\n")[1]);
    // Others write meanwhile.
    assert.ok(Math.abs(available - said) < 512 * 1024 * 1024, `${available}`);
    assert.equal(readOnly, false);
    using proc = shim.open("/proc", { flags: O_RDONLY | O_DIRECTORY });
    const none = decodeStatfs(shim.statFileSystem(proc));
    assert.deepEqual(
      [none.available, none.freeFiles],
      [0, undefined],
    );
  }));

Deno.test("findUdp() names the program that holds a port, of IPv4 and of IPv6, and nobody who does not", () => {
  for (const hostname of ["127.0.0.1", "::1"]) {
    const socket = Deno.listenDatagram({
      transport: "udp",
      hostname,
      port: 0,
    });
    const { port } = socket.addr as Deno.NetAddr;
    const program = Deno.readTextFileSync("/proc/self/comm").trimEnd();
    assert.deepEqual(
      findUdp(port, shim).map((one) => [one.port, one.program]),
      [[port, program]],
    );
    const local = hostname === "::1" ? `[::1]:${port}` : `127.0.0.1:${port}`;
    const all = findAllUdp(shim).filter((one) => one.local === local);
    assert.deepEqual(
      all.map(({ drops, program, uid }) => [drops, program, uid]),
      [[0, program, Deno.uid()]],
    );
    socket.close();
    assert.deepEqual(findUdp(port, shim), []);
  }
});

Deno.test("Shim.flock() refuses a second holder with EAGAIN", () =>
  withDirectory((directory) => {
    const flags = O_RDWR | O_CREAT;
    const path = `${directory}/lock`;
    using second = shim.open(path, { flags, mode: 0o600 });
    {
      using first = shim.open(path, { flags, mode: 0o600 });
      shim.flock(first, LOCK_EX | LOCK_NB);
      assert.equal(
        errnoOf(() => shim.flock(second, LOCK_EX | LOCK_NB)),
        ERRNO.EAGAIN,
      );
    }
    shim.flock(second, LOCK_EX | LOCK_NB);
  }));

Deno.test("Shim.openNetlink() gives each socket a port of its own", () => {
  const one = shim.openNetlink(NETLINK_ROUTE, { receiveBuffer: 1 << 20 });
  const two = shim.openNetlink(NETLINK_GENERIC);
  const three = shim.openNetlink(NETLINK_ROUTE);
  using _one = one.socket;
  using _two = two.socket;
  using _three = three.socket;
  assert.notEqual(one.port, 0);
  assert.notEqual(one.port, three.port);
  shim.join(three.socket, 1);
  assert.equal(
    errnoOf(() => shim.receive(one.socket, new Uint8Array(64))),
    ERRNO.EAGAIN,
  );
});

Deno.test("Shim.wait() ends at its time-out, and at once when it is woken", async () => {
  const { socket } = shim.openNetlink(NETLINK_ROUTE);
  using _socket = socket;
  using wake = shim.openWake();
  assert.deepEqual(
    await shim.wait(socket, { wake, milliseconds: 5 }),
    { ready: false, woken: false },
  );
  const waiting = shim.wait(socket, { wake, milliseconds: -1 });
  shim.wake(wake);
  assert.deepEqual(await waiting, { ready: false, woken: true });
});

Deno.test("Shim.sendUnix() reaches paths and abstract names", () =>
  withDirectory(async (directory) => {
    const path = `${directory}/notify`;
    const listener = Deno.listenDatagram({ transport: "unixpacket", path });
    try {
      shim.sendUnix(path, new TextEncoder().encode("READY=1"));
      const [data] = await listener.receive();
      assert.equal(new TextDecoder().decode(data), "READY=1");
    } finally {
      listener.close();
    }
    assert.throws(
      () => shim.sendUnix("@clusternet-nobody-listens", new Uint8Array(1)),
      /Cannot send to @clusternet-nobody-listens: Connection refused/,
    );
    assert.equal(
      errnoOf(() => shim.sendUnix("x".repeat(108), new Uint8Array(1))),
      ERRNO.EINVAL,
    );
  }));

Deno.test("symlink() makes a link to what need not be there, and never over something", () => {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/link`;
  shim.symlink("/nowhere/at/all", path);
  assert.equal(Deno.readLinkSync(path), "/nowhere/at/all");
  assert.equal(errnoOf(() => shim.symlink("/other", path)), ERRNO.EEXIST);
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("Descriptor.close() closes once, and no call leaks one", () => {
  // A first round may open what the runtime keeps.
  const round = (): void => {
    const { socket } = shim.openNetlink(NETLINK_ROUTE);
    const wake: Descriptor = shim.openWake();
    errnoOf(() => shim.open("/nowhere/at/all", { flags: O_RDONLY }));
    errnoOf(() => shim.sendUnix("/nowhere/at/all", new Uint8Array(1)));
    errnoOf(() => shim.openNetlink(99));
    wake.close();
    socket.close();
    socket.close();
    assert.equal(socket.number, -1);
  };
  round();
  const before = openFiles();
  for (let at = 0; at < 1_000; at++) round();
  // Other test files run in this process meanwhile, and open a few of their own.
  assert(openFiles() - before < 500, `${before} → ${openFiles()}`);
});

/** A program that loads the shim and reads a file with it. */
const PROGRAM = `
  import { loadShim } from "./mod/sys/shim.ts";
  import { ProcSysctl } from "./mod/sys/sysctl.ts";
  const shim = await loadShim().catch((error) => {
    console.log(error.message);
    Deno.exit(3);
  });
  console.log(await new ProcSysctl(shim).read("kernel/ostype"));
`;

const LIBC = `/lib/${Deno.build.arch}-linux-gnu/libc.so.6`;

for (
  const [how, permissions, expected] of [
    ["with any FFI", ["--allow-ffi"], "Linux"],
    [
      "with the C library's FFI",
      [`--allow-ffi=${LIBC},/proc/self/fd`],
      "Linux",
    ],
    [
      "without FFI, with a sentence",
      [],
      "Cannot load the shim: --allow-ffi names no C library that is here",
    ],
  ] as const
) {
  Deno.test(`loadShim() works ${how}`, async () => {
    const root = new URL("../../", import.meta.url);
    const run = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-check",
        "--no-prompt",
        ...permissions,
        "-",
      ],
      cwd: root,
      env: { TMPDIR: "/tmp" },
      stdin: "piped",
      stdout: "piped",
    });
    const child = run.spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(PROGRAM));
    await writer.close();
    const { stdout } = await child.output();
    const [said = ""] = new TextDecoder().decode(stdout).trim().split(",");
    assert.equal(said, expected);
  });
}
