/**
 * Files below /proc/sys. Through the shim: without `--allow-all` Deno refuses
 * to read or write there, whatever else it may.
 *
 * @module
 */

import { ERRNO, errorText, FatalError, KernelError } from "../core/errors.ts";
import { errnoText } from "../wire/errno.ts";
import { O_RDONLY, O_WRONLY, type Shim } from "./shim.ts";

/** More than any setting of the network's is long. */
const MAX_BYTES = 4096;

/** Below which the agent's settings lie. */
const NET = "/proc/sys/net";

export class ProcSysctl {
  readonly #shim: Shim;
  readonly #net: string;

  /** @param net where `/proc/sys/net` is; in a container it may be mounted elsewhere */
  constructor(shim: Shim, net: string = NET) {
    this.#shim = shim;
    this.#net = net;
  }

  /**
   * Refuses a place where the settings are not: what cannot be read there would
   * pass for a kernel that has no such setting.
   *
   * @throws {FatalError} one sentence
   */
  refuseWithout(): void {
    try {
      this.#shim.open(`${this.#net}/ipv4/ip_forward`, { flags: O_RDONLY })
        .close();
    } catch (cause) {
      const reason = cause instanceof KernelError
        ? errnoText(cause.errno)
        : errorText(cause);
      throw new FatalError(
        `Cannot find the network's settings in ${this.#net}: ${reason}; ` +
          "mount the host's /proc/sys/net there, or leave --proc-sys-net out",
        1,
        { cause },
      );
    }
  }

  /** @throws {KernelError} when it is there and cannot be read */
  // deno-lint-ignore require-await -- the port is asynchronous, the file is not
  async read(name: string): Promise<string | undefined> {
    try {
      using file = this.#shim.open(this.#pathOf(name), { flags: O_RDONLY });
      const buffer = new Uint8Array(MAX_BYTES);
      const length = this.#shim.read(file, buffer);
      return new TextDecoder().decode(buffer.subarray(0, length)).trimEnd();
    } catch (error) {
      const errno = error instanceof KernelError ? error.errno : 0;
      if (errno === ERRNO.ENOENT) return undefined;
      throw refusal(`read sysctl ${name}`, error);
    }
  }

  /** @throws {KernelError} when it is not there, or the kernel takes no such value */
  // deno-lint-ignore require-await -- the port is asynchronous, the file is not
  async write(name: string, value: string): Promise<void> {
    try {
      using file = this.#shim.open(this.#pathOf(name), { flags: O_WRONLY });
      this.#shim.write(file, new TextEncoder().encode(`${value}\n`));
    } catch (error) {
      throw refusal(`set sysctl ${name} to ${value}`, error);
    }
  }

  /** @throws {TypeError} for a name that would leave /proc/sys */
  #pathOf(name: string): string {
    const [area, ...rest] = name.split("/");
    if ([area, ...rest].some((part) => OUTSIDE.has(part))) {
      throw new TypeError(`Cannot use sysctl name "${name}"`);
    }
    return area === "net"
      ? [this.#net, ...rest].join("/")
      : `/proc/sys/${name}`;
  }
}

const OUTSIDE: ReadonlySet<string | undefined> = new Set([
  "",
  ".",
  "..",
  undefined,
]);

function refusal(what: string, cause: unknown): Error {
  if (!(cause instanceof KernelError)) {
    return new Error(`Cannot ${what}: ${errorText(cause)}`, { cause });
  }
  const cure = cause.errno === ERRNO.EROFS
    ? `; in a container, mount the host's ${NET} and say where with --proc-sys-net`
    : "";
  const message = `Cannot ${what}: ${errnoText(cause.errno)}${cure}`;
  return new KernelError(message, cause.errno, { cause });
}
