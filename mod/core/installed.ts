/**
 * The record of what `clusternet install` wrote, so that `uninstall` and the next
 * `install` can tell their own files from changed ones. A record of a newer
 * format is refused, never overwritten.
 *
 * @module
 */

import { z } from "zod";
import { FatalError } from "./errors.ts";
import type { RecordedFile } from "./file_plan.ts";

/** Where it lies, below the root of the installation. */
export const RECORD_FILE = "/var/lib/clusternet/installed.json";

/** Raise it when an older clusternet would misread the record. */
const FORMAT = 1;

export interface Installed {
  readonly version: string;
  /** `false`: files are being changed, or systemd has not taken notice of all of them. */
  readonly complete: boolean;
  /** Absolute paths as on the running machine, without `--root`. */
  readonly files: readonly RecordedFile[];
  /** Those that we made, outermost first. */
  readonly directories: readonly string[];
}

export const NOTHING_INSTALLED: Installed = {
  version: "",
  complete: true,
  files: [],
  directories: [],
};

const SCHEMA = z.object({
  format: z.literal(FORMAT),
  version: z.string(),
  complete: z.boolean(),
  files: z.array(z.object({
    path: z.string().startsWith("/"),
    digests: z.array(z.string().regex(/^[0-9a-f]{64}$/)),
    config: z.boolean(),
  })),
  directories: z.array(z.string().startsWith("/")),
});

/** The same text for the same record. */
export function installedText(installed: Installed): string {
  const { version, complete, files, directories } = installed;
  const content = { format: FORMAT, version, complete, files, directories };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/**
 * @param file for the sentence
 * @throws {FatalError} of exit code 1: damaged, or of a newer clusternet
 */
export function parseInstalled(text: string, file: string): Installed {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw damaged(file, { cause });
  }
  const { format } = z.object({ format: z.number() }).safeParse(content).data ??
    {};
  if (format !== undefined && format > FORMAT) {
    throw new FatalError(
      `Cannot use the record ${file}: it is of format ${format}, and this clusternet knows ${FORMAT}; take the clusternet that wrote it, or a newer one`,
      1,
    );
  }
  const { success, data, error } = SCHEMA.safeParse(content);
  if (!success) throw damaged(file, { cause: error });
  const { version, complete, files, directories } = data;
  return { version, complete, files, directories };
}

function damaged(file: string, options: ErrorOptions): FatalError {
  return new FatalError(
    `Cannot use the record ${file}: it is damaged; restore it, or remove it: then what is there already counts as somebody else's`,
    1,
    options,
  );
}
