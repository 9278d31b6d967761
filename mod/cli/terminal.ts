/**
 * Where a command's words go: a terminal, which has a width and perhaps colours,
 * or a file or pipe, which has neither and may be closed at any time.
 *
 * @module
 */

import { makePaint, type Paint } from "../view/text.ts";

export interface Terminal {
  /** Columns; `undefined`: lines may be as long as they are. */
  readonly width: number | undefined;
  /** Lines on the screen; `undefined`: it is no screen, only lines. */
  readonly height: number | undefined;
  readonly paint: Paint;
}

/** Standard output, as it is now: somebody may have made the window smaller. */
export function standardOutput(): Terminal {
  const isTerminal = Deno.stdout.isTerminal();
  const size = isTerminal ? sizeOf() : undefined;
  const movesCursor = Deno.env.get("TERM") !== "dumb";
  const given = Number(Deno.env.get("COLUMNS") ?? "");
  return {
    width: size?.columns ?? (given > 0 ? given : undefined),
    height: movesCursor ? size?.rows : undefined,
    paint: makePaint(wantsColour(isTerminal)),
  };
}

/** https://no-color.org and https://force-color.org: present, and not empty. */
function wantsColour(isTerminal: boolean): boolean {
  if ((Deno.env.get("NO_COLOR") ?? "") !== "") return false;
  const force = Deno.env.get("FORCE_COLOR") ?? "";
  if (force !== "") return force !== "0" && force !== "false";
  return isTerminal && Deno.env.get("TERM") !== "dumb";
}

function sizeOf(): { readonly columns: number; readonly rows: number } {
  try {
    const { columns, rows } = Deno.consoleSize();
    // A serial line knows none, and says 0.
    if (columns > 0 && rows > 0) return { columns, rows };
  } catch { /* as 80 by 24 */ }
  return { columns: 80, rows: 24 };
}

/** @returns `false`: nobody reads any more */
export async function writeOut(text: string | Uint8Array): Promise<boolean> {
  const bytes = typeof text === "string"
    ? new TextEncoder().encode(text)
    : text;
  try {
    for (let at = 0; at < bytes.length;) {
      at += await Deno.stdout.write(bytes.subarray(at));
    }
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  }
}

/** A line that is gone once the work is done; nothing where it is no terminal. */
export function progress(text: string): Disposable {
  const isTerminal = Deno.stderr.isTerminal() &&
    Deno.env.get("TERM") !== "dumb";
  const write = (text: string): void => {
    if (isTerminal) Deno.stderr.writeSync(new TextEncoder().encode(text));
  };
  write(`\r${text}\x1b[K`);
  return { [Symbol.dispose]: () => write("\r\x1b[K") };
}
