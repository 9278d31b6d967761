/**
 * Files below /proc/sys. Through the shim: without `--allow-all` Deno refuses
 * to read or write there, whatever else it may.
 *
 * @module
 */

import { ERRNO, errorText, KernelError } from "../core/errors.ts";
import { errnoText } from "../wire/errno.ts";
import { O_RDONLY, O_WRONLY, type Shim } from "./shim.ts";

/** More than any setting of the network's is long. */
const MAX_BYTES = 4096;

export class ProcSysctl {
  readonly #shim: Shim;

  constructor(shim: Shim) {
    this.#shim = shim;
  }

  /** @throws {KernelError} when it is there and cannot be read */
  // deno-lint-ignore require-await -- the port is asynchronous, the file is not
  async read(name: string): Promise<string | undefined> {
    try {
      using file = this.#shim.open(pathOf(name), { flags: O_RDONLY });
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
      using file = this.#shim.open(pathOf(name), { flags: O_WRONLY });
      this.#shim.write(file, new TextEncoder().encode(`${value}\n`));
    } catch (error) {
      throw refusal(`set sysctl ${name} to ${value}`, error);
    }
  }
}

/** @throws {TypeError} for a name that would leave /proc/sys */
function pathOf(name: string): string {
  const parts = name.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    throw new TypeError(`Cannot use sysctl name "${name}"`);
  }
  return `/proc/sys/${name}`;
}

function refusal(what: string, cause: unknown): Error {
  if (!(cause instanceof KernelError)) {
    return new Error(`Cannot ${what}: ${errorText(cause)}`, { cause });
  }
  const message = `Cannot ${what}: ${errnoText(cause.errno)}`;
  return new KernelError(message, cause.errno, { cause });
}
