/**
 * The kernel's calls that Deno has no name for, typed: netlink and unix sockets,
 * and files opened with the flags that matter. Errors become `KernelError`s;
 * EINTR is tried again here and seen by nobody.
 *
 * @module
 */

import { Counters } from "../core/counters.ts";
import { ERRNO, KernelError } from "../core/errors.ts";
import { errnoText } from "../wire/errno.ts";
import { cString, type Library, openLibrary } from "./ffi.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** include/uapi/asm-generic/fcntl.h; close-on-exec is always set. */
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_NONBLOCK = 0o4000;
/** Only where it is: for `stat()`, also of what cannot be opened, as another's socket. */
export const O_PATH = 0o10000000;
/** Our own bits: the kernel's numbers differ between machines (ffi/netlink.c). */
export const O_NOFOLLOW = 1 << 30;
export const O_DIRECTORY = 1 << 29;

/** include/uapi/asm-generic/fcntl.h */
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const LOCK_UN = 8;

/** include/linux/socket.h */
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;

/** include/uapi/linux/stat.h: `mode & S_IFMT` */
export const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFIFO = 0o010000;
export const S_IFSOCK = 0o140000;

/** include/linux/socket.h, include/uapi/linux/un.h */
const AF_UNIX = 1;
const SUN_PATH_BYTES = 108;

export interface FileStat {
  /** Type and permissions, as `st_mode`. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Inode number. */
  readonly ino: bigint;
  /** Links to it by name; 0 once it is removed. */
  readonly links: number;
}

/** An open file descriptor, closed once: `using fd = …`. */
export class Descriptor implements Disposable {
  readonly #library: Library;
  #number: number;

  constructor(library: Library, number: number) {
    this.#library = library;
    this.#number = number;
  }

  /** -1 once it is closed: every call on it then says EBADF. */
  get number(): number {
    return this.#number;
  }

  close(): void {
    if (this.#number >= 0) this.#library.symbols.cn_close(this.#number);
    this.#number = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The kernel's calls. One a process: see `loadShim()`. */
export class Shim {
  readonly #library: Library;
  #counters = new Counters();

  constructor(library: Library) {
    this.#library = library;
  }

  /** Where what goes wrong between us and the kernel is counted. */
  get counters(): Counters {
    return this.#counters;
  }

  countIn(counters: Counters): void {
    this.#counters = counters;
  }

  /**
   * Open a nonblocking netlink socket with extended acknowledgements.
   *
   * @param protocol NETLINK_ROUTE, NETLINK_GENERIC, …
   * @param options.receiveBuffer bytes; default: the system's
   */
  openNetlink(
    protocol: number,
    options: { readonly receiveBuffer?: number } = {},
  ): { readonly socket: Descriptor; readonly port: number } {
    const port = new Uint32Array(1);
    const socket = this.#descriptor(
      "open netlink socket",
      () =>
        this.#library.symbols.cn_netlink(
          protocol,
          options.receiveBuffer ?? 0,
          port,
        ),
    );
    return { socket, port: port[0] ?? 0 };
  }

  /**
   * Open a nonblocking packet(7) socket: what passes one interface, from the
   * network header on, and its filter accepts. For `read()`; needs CAP_NET_RAW.
   *
   * @param filter struct sock_filter, 8 bytes each (include/uapi/linux/filter.h)
   * @param options.receiveBuffer bytes
   */
  openPacket(
    interfaceIndex: number,
    filter: Bytes,
    options: { readonly receiveBuffer: number },
  ): Descriptor {
    return this.#descriptor(
      "open packet socket",
      () =>
        this.#library.symbols.cn_packet(
          interfaceIndex,
          filter,
          filter.length / 8,
          options.receiveBuffer,
        ),
    );
  }

  /**
   * A nonblocking UDP socket to one address, whose packets are never fragmented.
   * For `write()` and `read()`, which tell what the network said of them.
   *
   * @param address struct sockaddr_in or sockaddr_in6
   */
  openProbe(address: Bytes): Descriptor {
    return this.#descriptor(
      "open UDP socket",
      () => this.#library.symbols.cn_probe(address, address.length),
    );
  }

  /** @returns packets for which there was no room since the last call */
  packetDrops(socket: Descriptor): number {
    return check(
      "read packet statistics",
      () => this.#library.symbols.cn_packet_drops(socket.number),
    );
  }

  /** Join a multicast group of a netlink socket. */
  join(socket: Descriptor, group: number): void {
    check(
      `join netlink group ${group}`,
      () => this.#library.symbols.cn_join(socket.number, group),
    );
  }

  /** Send one datagram to the kernel. It has been acted upon when this returns. */
  send(socket: Descriptor, data: Bytes): void {
    check("send netlink message", () =>
      this.#library.symbols.cn_send(
        socket.number,
        data,
        data.length,
        null,
        0,
      ));
  }

  /** `send()` on a thread: what it does may take the kernel long. */
  async sendThreaded(socket: Descriptor, data: Bytes): Promise<void> {
    for (;;) {
      const result = await this.#library.symbols.cn_send_threaded(
        socket.number,
        data,
        data.length,
        null,
        0,
      );
      if (result === -ERRNO.EINTR) continue;
      fail("send netlink message", result);
      return;
    }
  }

  /**
   * Receive one datagram into `buffer`.
   *
   * @returns its length, which with MSG_TRUNC may be more than fits; 0 for one
   * that another process sent: thrown away
   * @throws {KernelError} EAGAIN where there is none, ENOBUFS where some were lost
   */
  receive(socket: Descriptor, buffer: Bytes): number {
    return check("receive netlink message", () =>
      this.#library.symbols.cn_recv(
        socket.number,
        buffer,
        buffer.length,
        MSG_TRUNC | MSG_DONTWAIT,
      ));
  }

  /**
   * Wait, without holding up the event loop, until `fd` or `wake` can be read.
   *
   * @param options.milliseconds -1: for ever
   */
  async wait(
    fd: Descriptor,
    options: { readonly wake?: Descriptor; readonly milliseconds: number },
  ): Promise<{ readonly ready: boolean; readonly woken: boolean }> {
    let result = -ERRNO.EINTR as number;
    while (result === -ERRNO.EINTR) {
      result = await this.#library.symbols.cn_wait(
        fd.number,
        options.wake?.number ?? -1,
        options.milliseconds,
      );
    }
    fail("wait for netlink messages", result);
    return { ready: (result & 1) !== 0, woken: (result & 2) !== 0 };
  }

  /** That of this process, never to be closed. */
  get standardOutput(): Descriptor {
    return new Descriptor(this.#library, 1);
  }

  /** Something to wake `wait()` with. */
  openWake(): Descriptor {
    return this.#descriptor(
      "open eventfd",
      () => this.#library.symbols.cn_eventfd(),
    );
  }

  wake(wake: Descriptor): void {
    // Host order; any number but 0 will do.
    this.write(wake, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0));
  }

  /**
   * Open a file. Close-on-exec always.
   *
   * @param options.mode permissions of a new file, less the umask
   */
  open(
    path: string,
    options: { readonly flags: number; readonly mode?: number },
  ): Descriptor {
    const name = cString(path);
    return this.#descriptor(
      `open ${path}`,
      () =>
        this.#library.symbols.cn_open(name, options.flags, options.mode ?? 0),
    );
  }

  /** @returns how many bytes; 0 at the end of the file */
  read(fd: Descriptor, buffer: Bytes): number {
    return check(
      "read",
      () => this.#library.symbols.cn_read(fd.number, buffer, buffer.length),
    );
  }

  /** @returns how many bytes, which may be fewer than were given */
  write(fd: Descriptor, data: Bytes): number {
    return check(
      "write",
      () => this.#library.symbols.cn_write(fd.number, data, data.length),
    );
  }

  stat(fd: Descriptor): FileStat {
    // include/uapi/linux/stat.h, struct statx: the same on every machine.
    const data = new Uint8Array(256);
    check("stat", () => this.#library.symbols.cn_stat(fd.number, data));
    const view = new DataView(data.buffer);
    return {
      links: view.getUint32(16, true),
      uid: view.getUint32(20, true),
      gid: view.getUint32(24, true),
      mode: view.getUint16(28, true),
      ino: view.getBigUint64(32, true),
      size: Number(view.getBigUint64(40, true)),
    };
  }

  /** @returns bytes of struct linux_dirent64; 0 at the end of the directory */
  readEntries(directory: Descriptor, buffer: Bytes): number {
    return check("read directory", () =>
      this.#library.symbols.cn_entries(
        directory.number,
        buffer,
        buffer.length,
      ));
  }

  /** struct statfs of the file system that it is on. */
  statFileSystem(fd: Descriptor): Bytes {
    const data = new Uint8Array(120);
    const { cn_disk } = this.#library.symbols;
    check("stat file system", () => cn_disk(fd.number, data));
    return data;
  }

  /** How many of the descriptors below that number are open in this process. */
  openFiles(below: number): number {
    const data = new Uint8Array(256);
    const { cn_stat } = this.#library.symbols;
    let count = 0;
    for (let number = 0; number < below; number++) {
      if (cn_stat(number, data) !== -ERRNO.EBADF) count++;
    }
    return count;
  }

  fsync(fd: Descriptor): void {
    check("fsync", () => this.#library.symbols.cn_fsync(fd.number));
  }

  /**
   * Lock or unlock a file; with LOCK_NB EAGAIN where another holds it.
   *
   * @param operation LOCK_EX | LOCK_NB, LOCK_UN, …
   */
  flock(fd: Descriptor, operation: number): void {
    check("flock", () => this.#library.symbols.cn_flock(fd.number, operation));
  }

  /** Make a symbolic link; what it points to need not be there. */
  symlink(target: string, path: string): void {
    const [to, name] = [cString(target), cString(path)];
    check(`link ${path}`, () => this.#library.symbols.cn_symlink(to, name));
  }

  /**
   * Send one datagram to a unix socket and forget the socket.
   *
   * @param path a path, or `@name` for the abstract namespace (unix(7))
   */
  sendUnix(path: string, data: Bytes): void {
    const name = new TextEncoder().encode(path);
    if (name.length === 0 || name.length >= SUN_PATH_BYTES) {
      fail(`send to ${path}`, -ERRNO.EINVAL);
    }
    const address = new Uint8Array(2 + name.length + 1);
    address[0] = AF_UNIX;
    address.set(name, 2);
    const abstract = path.startsWith("@");
    if (abstract) address[2] = 0;
    // An abstract name ends where its length says, a path with a NUL.
    const length = address.length - (abstract ? 1 : 0);
    using socket = this.#descriptor(
      "open unix socket",
      () => this.#library.symbols.cn_unix(),
    );
    check(`send to ${path}`, () =>
      this.#library.symbols.cn_send(
        socket.number,
        data,
        data.length,
        address,
        length,
      ));
  }

  #descriptor(what: string, call: () => number): Descriptor {
    return new Descriptor(this.#library, check(what, call));
  }
}

/** Call until it is not interrupted. @throws {KernelError} "Cannot <what>: <why>" */
function check(what: string, call: () => number): number {
  let result = call();
  while (result === -ERRNO.EINTR) result = call();
  fail(what, result);
  return result;
}

function fail(what: string, result: number): void {
  if (result >= 0) return;
  throw new KernelError(`Cannot ${what}: ${errnoText(-result)}`, -result);
}

let loaded: Promise<Shim> | undefined;

/**
 * The shim of this process, loaded at the first call and kept.
 *
 * In tests, call it at the top of the file: what a test opens it must close.
 *
 * @throws {Error} with a sentence that says what to do
 */
export function loadShim(): Promise<Shim> {
  loaded ??= openLibrary().then((library) => new Shim(library));
  return loaded;
}
