/**
 * The files of /proc that tell of this process. Through the shim: without
 * `--allow-all` Deno refuses to read there.
 *
 * @module
 */

import { descriptorTable, type ProcFiles } from "../core/process_figures.ts";
import { O_RDONLY, type Shim } from "./shim.ts";

/** Of /proc/stat: what is asked for comes after a line for each processor and a long one. */
const MAX_BYTES = 1 << 20;

/** @throws {KernelError} where they cannot be read */
export function readProcessFiles(shim: Shim): ProcFiles {
  const status = read(shim, "/proc/self/status");
  return {
    status,
    stat: read(shim, "/proc/self/stat"),
    limits: read(shim, "/proc/self/limits"),
    systemStat: read(shim, "/proc/stat"),
    openFiles: shim.openFiles(descriptorTable(status)),
  };
}

function read(shim: Shim, path: string): string {
  using file = shim.open(path, { flags: O_RDONLY });
  const buffer = new Uint8Array(16 * 1024);
  const decoder = new TextDecoder();
  let text = "";
  while (text.length < MAX_BYTES) {
    const length = shim.read(file, buffer);
    if (length === 0) break;
    text += decoder.decode(buffer.subarray(0, length), { stream: true });
  }
  return text;
}
