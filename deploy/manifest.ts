/**
 * The executable of `deno task build`, as `ffi/launcher.c` reads it:
 *
 * ```text
 * +------------+-----------------------------+----------+---------+
 * | ELF of the | zstd frames: the files of   | manifest | trailer |
 * | launcher   | the manifest, end to end    |          |         |
 * +------------+-----------------------------+----------+---------+
 *
 * trailer   "clusternet-run1 FRAMES MANIFEST SHA256\n", 115 bytes: sizes of frames
 *           and manifest in 16 hex digits each, SHA-256 of the manifest in 64
 * manifest  text, a fact a line:
 *           version NAME TEXT           for people
 *           file MODE SIZE SHA256 NAME  octal, decimal, hex; in the frames' order
 *           arg TEXT                    of what is executed, "@" for the directory
 * ```
 *
 * The last 32 digits of the manifest's sum name the runtime's directory. A launcher
 * with nothing behind it reads FILE.runtime/manifest, and runs what lies there.
 *
 * @module
 */

type Bytes = Uint8Array<ArrayBuffer>;

export interface ManifestFile {
  readonly path: string;
  readonly mode: number;
  readonly size: number;
  /** SHA-256, 64 hex digits. */
  readonly sum: string;
}

export interface Manifest {
  readonly versions: readonly (readonly [name: string, version: string])[];
  readonly files: readonly ManifestFile[];
  /** What is executed; `RUNTIME` stands for the runtime's directory. */
  readonly command: readonly string[];
}

/** In a command of a manifest: where the runtime lies. */
export const RUNTIME = "@";

/** That of ffi/launcher.c. */
const MOST = 64;

/** The same text for the same runtime: no times, no paths of the machine. */
export function manifestText(
  { versions, files, command }: Manifest,
): string {
  const lines = [
    ...versions.map(([name, version]) => `version ${name} ${version}`),
    ...files.map(({ mode, size, sum, path }) =>
      `file ${mode.toString(8)} ${size} ${sum} ${path}`
    ),
    ...command.map((argument) => `arg ${argument}`),
  ];
  if (Math.max(files.length, command.length) >= MOST) {
    throw new TypeError(
      `Cannot write the manifest: ${MOST} files or arguments are too many for ffi/launcher.c`,
    );
  }
  const odd = lines.find((line) => line.includes("\n"));
  if (odd !== undefined) {
    throw new TypeError(
      `Cannot write ${JSON.stringify(odd)} into a line of the manifest`,
    );
  }
  return `${lines.join("\n")}\n`;
}

/**
 * The whole file.
 *
 * @param pieces the launcher, and frames that give the manifest's files
 */
export async function executableOf(
  pieces: readonly [launcher: Bytes, ...frames: Bytes[]],
  manifest: string,
): Promise<Bytes> {
  const [launcher, ...frames] = pieces;
  const text = new TextEncoder().encode(manifest);
  const hex = (size: number): string => size.toString(16).padStart(16, "0");
  const size = frames.reduce((sum, { length }) => sum + length, 0);
  const trailer = `clusternet-run1 ${hex(size)} ${
    hex(text.length)
  } ${await sumOf(
    text,
  )}\n`;
  const all = new Blob([launcher, ...frames, text, trailer]);
  return new Uint8Array(await all.arrayBuffer());
}

/** SHA-256, as 64 hex digits. */
export async function sumOf(bytes: Bytes): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return new Uint8Array(digest).toHex();
}
