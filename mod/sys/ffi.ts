/**
 * The only file with `dlopen`: the functions of `ffi/netlink.c`, each with its C
 * declaration. `shim.ts` gives them types.
 *
 * The shim is loaded from memory: its bytes are part of the program (so that
 * `deno compile` finds them), go into a memfd and are opened from there. That
 * works on a read-only root file system and with narrow permissions
 * (`--allow-ffi=LIBC,/proc/self/fd`).
 *
 * @module
 */

/** That of ffi/netlink.c: a shim from another build is refused. */
const ABI = 4;

const SYMBOLS = {
  /** `int32_t cn_abi(void)` */
  cn_abi: { parameters: [], result: "i32" },
  /** `int32_t cn_close(int32_t fd)` */
  cn_close: { parameters: ["i32"], result: "i32" },
  /** `int32_t cn_netlink(int32_t protocol, int32_t rcvbuf, uint32_t *port)` */
  cn_netlink: { parameters: ["i32", "i32", "buffer"], result: "i32" },
  /** `int32_t cn_join(int32_t fd, uint32_t group)` */
  cn_join: { parameters: ["i32", "u32"], result: "i32" },
  /** `int32_t cn_packet(int32_t interface, const uint8_t *filter, uint32_t instructions, int32_t rcvbuf)` */
  cn_packet: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  /** `int32_t cn_packet_drops(int32_t fd)` */
  cn_packet_drops: { parameters: ["i32"], result: "i32" },
  /** `int32_t cn_probe(const uint8_t *address, uint32_t length)` */
  cn_probe: { parameters: ["buffer", "u32"], result: "i32" },
  /** `int32_t cn_unix(void)` */
  cn_unix: { parameters: [], result: "i32" },
  /** `int32_t cn_send(int32_t fd, const uint8_t *data, uint32_t length, const uint8_t *address, uint32_t address_length)` */
  cn_send: {
    parameters: ["i32", "buffer", "u32", "buffer", "u32"],
    result: "i32",
  },
  /** The same on a thread, for requests that keep the kernel busy for long. */
  cn_send_threaded: {
    name: "cn_send",
    parameters: ["i32", "buffer", "u32", "buffer", "u32"],
    result: "i32",
    nonblocking: true,
  },
  /** `int32_t cn_recv(int32_t fd, uint8_t *data, uint32_t length, int32_t flags)` */
  cn_recv: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  /** `int32_t cn_wait(int32_t fd, int32_t wake, int32_t milliseconds)` */
  cn_wait: {
    parameters: ["i32", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },
  /** `int32_t cn_eventfd(void)` */
  cn_eventfd: { parameters: [], result: "i32" },
  /** `int32_t cn_open(const char *path, uint32_t flags, uint32_t mode)` */
  cn_open: { parameters: ["buffer", "u32", "u32"], result: "i32" },
  /** `int32_t cn_read(int32_t fd, uint8_t *data, uint32_t length)` */
  cn_read: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int32_t cn_write(int32_t fd, const uint8_t *data, uint32_t length)` */
  cn_write: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int32_t cn_stat(int32_t fd, uint8_t *data)`, 256 bytes */
  cn_stat: { parameters: ["i32", "buffer"], result: "i32" },
  /** `int32_t cn_entries(int32_t fd, uint8_t *data, uint32_t length)` */
  cn_entries: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int32_t cn_disk(int32_t fd, uint8_t *data)`, 120 bytes */
  cn_disk: { parameters: ["i32", "buffer"], result: "i32" },
  /** `int32_t cn_fsync(int32_t fd)` */
  cn_fsync: { parameters: ["i32"], result: "i32" },
  /** `int32_t cn_flock(int32_t fd, int32_t operation)` */
  cn_flock: { parameters: ["i32", "i32"], result: "i32" },
  /** `int32_t cn_symlink(const char *target, const char *path)` */
  cn_symlink: { parameters: ["buffer", "buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The shim's functions, all of which return ≥ 0 or -errno. */
export type Library = Deno.DynamicLibrary<typeof SYMBOLS>;
type Bytes = Uint8Array<ArrayBuffer>;

/** @throws {Error} with a sentence that says what to do */
export async function openLibrary(): Promise<Library> {
  const library = openFromMemory(await shimBytes());
  const abi = library.symbols.cn_abi();
  if (abi !== ABI) {
    library.close();
    throw new Error(
      `Cannot use the shim: its ABI is ${abi}, not ${ABI}; run "deno task shim"`,
    );
  }
  return library;
}

/** @throws {TypeError} when the text holds a NUL */
export function cString(text: string): Bytes {
  if (text.includes("\0")) {
    throw new TypeError(
      `Cannot use path ${JSON.stringify(text)}: it holds NUL`,
    );
  }
  return new TextEncoder().encode(`${text}\0`);
}

async function shimBytes(): Promise<Bytes> {
  if (Deno.build.os !== "linux") {
    throw new Error(
      `Cannot use the kernel's network: this is ${Deno.build.os}, not Linux`,
    );
  }
  try {
    const module = await import("../../.build/netlink.so", {
      with: { type: "bytes" },
    });
    return module.default;
  } catch (cause) {
    throw new Error(
      'Cannot load the shim: it is not built yet; run "deno task shim"',
      { cause },
    );
  }
}

/** include/uapi/linux/memfd.h */
const MFD_CLOEXEC = 0x1;
/**
 * From Linux 6.3 on; before it is EINVAL. Not for execve(2): dlopen(3) needs no
 * such right, and a host with vm.memfd_noexec=2 makes no other memory files.
 */
const MFD_NOEXEC_SEAL = 0x8;

/** Any libc will do for these; memfd_create(2) is there from glibc 2.27 on. */
const LIBC = {
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Where Debian, Fedora, Arch and openSUSE have it. */
export function libcFiles(arch: typeof Deno.build.arch): readonly string[] {
  return [
    `/lib/${arch}-linux-gnu/libc.so.6`,
    `/usr/lib/${arch}-linux-gnu/libc.so.6`,
    "/lib64/libc.so.6",
    "/usr/lib64/libc.so.6",
    "/usr/lib/libc.so.6",
  ];
}

/**
 * The process has loaded a libc already: its bare name finds that one, wherever
 * it is, but only an unlimited `--allow-ffi` takes a bare name.
 */
function openLibc(): Deno.DynamicLibrary<typeof LIBC> {
  const granted = (path?: string): boolean =>
    Deno.permissions.querySync(
      path === undefined ? { name: "ffi" } : { name: "ffi", path },
    ).state === "granted";
  const files = [...bundledLibc(), ...libcFiles(Deno.build.arch)];
  const names = granted() ? ["libc.so.6"] : files.filter(granted);
  let last: unknown;
  for (const name of names) {
    try {
      return Deno.dlopen(name, LIBC);
    } catch (cause) {
      last = cause;
    }
  }
  throw new Error(
    `Cannot load the shim: --allow-ffi names no C library that is here, of ${
      files.join(", ")
    }`,
    { cause: last },
  );
}

/** The one beside the program, where the launcher in `ffi/launcher.c` started it. */
function bundledLibc(): readonly string[] {
  const variable = "CLUSTERNET_RUNTIME";
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  const runtime = state === "granted" ? Deno.env.get(variable) : undefined;
  return runtime === undefined ? [] : [`${runtime}/libc.so.6`];
}

function openFromMemory(bytes: Bytes): Library {
  const libc = openLibc();
  try {
    const name = cString("clusternet");
    const { memfd_create } = libc.symbols;
    let fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    if (fd < 0) fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0) throw new Error("Cannot load the shim: memfd_create failed");
    try {
      const written = libc.symbols.write(fd, bytes, BigInt(bytes.length));
      if (written !== BigInt(bytes.length)) {
        throw new Error("Cannot load the shim: short write to memfd");
      }
      return Deno.dlopen(`/proc/self/fd/${fd}`, SYMBOLS);
    } finally {
      libc.symbols.close(fd);
    }
  } finally {
    libc.close();
  }
}
