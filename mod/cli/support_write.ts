/**
 * Where a support bundle goes: a file that is there once it is whole, or standard
 * output.
 *
 * @module
 */

import { FatalError } from "../core/errors.ts";
import { systemReason } from "../sys/directory.ts";
import { writeNewFile } from "../sys/new_file.ts";
import { stopOnSignal } from "./signals.ts";

/**
 * Piece by piece: the next is asked for once there is room for it.
 *
 * @param tar makes it, until that signal says that nobody wants it any more
 * @returns `false`: whoever reads has gone
 * @throws {FatalError} one sentence
 */
export async function writeBundle(
  file: string,
  tar: (signal: AbortSignal) => AsyncGenerator<Uint8Array<ArrayBuffer>>,
): Promise<boolean> {
  let interrupted = "";
  using stop = stopOnSignal(
    (name) => interrupted = name,
    ["SIGHUP", "SIGINT", "SIGTERM"],
  );
  const { signal } = stop;
  const content = ReadableStream.from(tar(signal))
    .pipeThrough(new CompressionStream("gzip"));
  try {
    if (file === "-") {
      const into = Deno.stdout.writable;
      await content.pipeTo(into, { preventClose: true, signal });
    } else {
      await writeNewFile(file, content, signal);
      console.error(`clusternet: Wrote ${file}`);
    }
    return true;
  } catch (cause) {
    // Whoever reads no more has it said.
    if (cause instanceof Deno.errors.BrokenPipe) return false;
    const why = signal.aborted
      ? `${interrupted} has ended it, and nothing is left of it`
      : systemReason(cause);
    throw new FatalError(`Cannot write the bundle to ${file}: ${why}`, 1, {
      cause,
    });
  }
}

/** "20260102T030405Z", for names of files. */
export function timeName(time: Date): string {
  return time.toISOString().replaceAll(/[-:]|\.\d+/g, "");
}
