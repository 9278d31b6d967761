/**
 * The launcher with little behind it: a shell in place of Deno, a script in
 * place of the program. Everything else is as `deno task build` makes it.
 *
 * @module
 */

import { executableOf, manifestText, sumOf } from "../../deploy/manifest.ts";
import { compress } from "../../deploy/zstd.ts";
import { findCommand } from "../support/packages.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export interface SmallExecutable {
  readonly bytes: Bytes;
  /** Where the regions begin: frames, manifest, trailer. */
  readonly frames: number;
  readonly manifest: number;
  readonly trailer: number;
  /** Name of the runtime's directory. */
  readonly name: string;
}

/**
 * It says `says` and runs its arguments as a shell command.
 *
 * @param launcher a file
 */
export async function smallExecutable(
  launcher: string,
  says: string,
): Promise<SmallExecutable> {
  const shell = findCommand("busybox") ?? "/bin/busybox";
  const script = `echo ${says}; [ $# = 0 ] || eval "$@"`;
  const contents = new Map<string, Bytes>([
    ["clusternet", await Deno.readFile(shell)],
    ["clusternet.js", new TextEncoder().encode(script)],
    ["libc.so.6", new Uint8Array(200_000).map((_, at) => at * at >> 7)],
  ]);
  const files = await Promise.all(
    [...contents].map(async ([path, bytes]) => ({
      path,
      mode: path === "clusternet" ? 0o755 : 0o644,
      size: bytes.length,
      sum: await sumOf(bytes),
    })),
  );
  const manifest = manifestText({
    versions: [["clusternet", says]],
    files,
    command: ["sh", "@/clusternet.js"],
  });
  const head = await Deno.readFile(launcher);
  const frames = await compress([...contents.values()]);
  return {
    bytes: await executableOf([head, frames], manifest),
    frames: head.length,
    manifest: head.length + frames.length,
    trailer: head.length + frames.length + manifest.length,
    name: (await sumOf(new TextEncoder().encode(manifest))).slice(-32),
  };
}

export async function writeExecutable(
  file: string,
  bytes: Uint8Array,
): Promise<void> {
  await Deno.writeFile(file, bytes, { mode: 0o755 });
}
