/**
 * What programs of the machine print for a support bundle, within bounds.
 *
 * @module
 */

import { PIECE_LENGTH } from "./support_piece.ts";

/** Milliseconds that a program has. */
const PROGRAM_MS = 10_000;

/** Of what a program prints so much is held, and looked through for secrets: one that is cut in two is none that we know. */
const HELD_BYTES = 8 * PIECE_LENGTH;

/**
 * Both outputs, with what was run above them.
 *
 * @param command words between spaces
 * @returns `undefined`: it is not installed
 */
export async function programOutput(
  command: string,
  keep: "first" | "last" = "first",
): Promise<string | undefined> {
  const [program = "", ...args] = command.split(" ");
  const child = begun(program, args);
  if (child === undefined) return undefined;
  const [stdout, stderr, { code }] = await Promise.all([
    held(child.stdout, keep),
    held(child.stderr, keep),
    child.status,
  ]);
  const ended = code === 0 ? "" : `(exit code ${code})\n`;
  return `$ ${command}\n${stdout}${stderr}${ended}`;
}

/** @throws {Error} where it is there and cannot be run */
function begun(
  program: string,
  args: readonly string[],
): Deno.ChildProcess | undefined {
  try {
    return new Deno.Command(program, {
      args: [...args],
      env: { LC_ALL: "C" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(PROGRAM_MS),
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The beginning or the end of it; all is read, so that the program ends by itself. */
async function held(
  stream: ReadableStream<Uint8Array>,
  keep: "first" | "last",
): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of stream) {
    if (keep === "first" && length >= HELD_BYTES) continue;
    parts.push(part);
    length += part.length;
    while (keep === "last" && length - (parts[0]?.length ?? 0) >= HELD_BYTES) {
      length -= parts.shift()?.length ?? 0;
    }
  }
  const decoder = new TextDecoder();
  return parts.map((part) => decoder.decode(part, { stream: true })).join("") +
    decoder.decode();
}
