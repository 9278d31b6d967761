/**
 * The manifest of a runtime, and the trailer of an executable that holds one, as
 * `ffi/launcher.c` reads them: see there for the picture.
 *
 * @module
 */

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
  const odd = lines.find((line) => line.includes("\n"));
  if (odd !== undefined) {
    throw new TypeError(
      `Cannot write ${JSON.stringify(odd)} into a line of the manifest`,
    );
  }
  return `${lines.join("\n")}\n`;
}

/** What closes the executable. `framesSize`: bytes between launcher and manifest. */
export function trailerText(
  framesSize: number,
  manifest: { readonly size: number; readonly sum: string },
): string {
  const hex = (size: number): string => size.toString(16).padStart(16, "0");
  return `clusternet-run1 ${hex(framesSize)} ${
    hex(manifest.size)
  } ${manifest.sum}\n`;
}

/** SHA-256, as 64 hex digits. */
export async function sumOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return new Uint8Array(digest).toHex();
}
