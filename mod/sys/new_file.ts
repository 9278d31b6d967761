/**
 * A large file that is made piece by piece, and is there once it is whole:
 *
 *     .NAME.clusternet-new (O_EXCL, 0600) → write … → fsync → link as NAME → unlink
 *
 * What stands under the name already stays as it is: it may be a link to
 * somewhere, or others may read it.
 *
 * @module
 */

import { removeIfThere } from "./directory.ts";
import { draftOf } from "./place_files.ts";

/**
 * Nothing is left of it where this rejects, but for what SIGKILL interrupts.
 *
 * @param content asked for the next piece once there is room for it
 * @throws {Deno.errors.AlreadyExists} before the first piece is asked for
 */
export async function writeNewFile(
  path: string,
  content: ReadableStream<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal,
): Promise<void> {
  refuseWhatIsThere(path);
  const draft = draftOf(path);
  removeIfThere(draft);
  try {
    using file = await Deno.open(draft, {
      ...{ write: true, createNew: true },
      mode: 0o600,
    });
    const into = new WritableStream<Uint8Array>({
      async write(piece): Promise<void> {
        for (let at = 0; at < piece.length;) {
          at += await file.write(piece.subarray(at));
        }
      },
    });
    await content.pipeTo(into, { signal });
    await file.sync();
    publish(draft, path);
  } finally {
    removeIfThere(draft);
  }
}

/** Nothing is replaced; where the file system knows no second names, hardly ever. */
function publish(draft: string, path: string): void {
  try {
    Deno.linkSync(draft, path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw error;
    refuseWhatIsThere(path);
    Deno.renameSync(draft, path);
  }
}

function refuseWhatIsThere(path: string): void {
  try {
    Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  throw new Deno.errors.AlreadyExists("there is one of that name already");
}
