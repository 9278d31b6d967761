/**
 * YAML files that a person wrote. The parser is imported when one is read.
 *
 * @module
 */

import { errorText } from "../core/errors.ts";

/** Bytes; a kubeconfig of a hundred clusters is a tenth of it. */
const SIZE_LIMIT = 1024 * 1024;
const DEPTH_LIMIT = 50;
const ALIAS_LIMIT = 100;

/**
 * The one document of a YAML file.
 *
 * @param what for the message: "the kubeconfig"
 * @throws {Error} with a sentence that quotes nothing of what is in the file:
 * it may be a secret
 */
export async function readYaml(file: string, what: string): Promise<unknown> {
  const fail = (why: string, cause?: unknown): Error =>
    new Error(
      `Cannot read ${what} ${file}: ${why}`,
      cause === undefined ? {} : { cause },
    );
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(file);
  } catch (error) {
    throw fail(fileReason(error));
  }
  if (bytes.length > SIZE_LIMIT) throw fail("it is larger than 1 MiB");
  if (bytes.includes(0)) throw fail("it is no text: it has NUL bytes");
  const text = new TextDecoder().decode(bytes); // drops a byte order mark
  if (text.trim() === "") throw fail("it is empty");
  const { load } = await import("js-yaml");
  try {
    return load(text, { maxDepth: DEPTH_LIMIT, maxAliases: ALIAS_LIMIT });
  } catch (error) {
    throw fail(`it is not YAML: ${yamlReason(error)}`);
  }
}

/** What the system said of a file, in two or three words. */
export function fileReason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  return errorText(error).replace(/ \(os error .*/, "");
}

/** Without what the parser's message quotes of the source. */
function yamlReason(error: unknown): string {
  if (typeof error !== "object" || error === null) return "unreadable";
  const reason = "reason" in error && typeof error.reason === "string"
    ? error.reason.replace(/\s*[:"'`!<(*&].*$/s, "")
    : "unreadable";
  const line = "mark" in error && typeof error.mark === "object" &&
      error.mark !== null && "line" in error.mark
    ? Number(error.mark.line) + 1
    : undefined;
  return line === undefined ? reason : `${reason} (line ${line})`;
}
