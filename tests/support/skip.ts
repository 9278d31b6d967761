/**
 * A test that cannot run here says so aloud, with what it needs.
 *
 * @module
 */

import { findCommand } from "./packages.ts";

export interface Needs {
  /** Effective user 0. */
  readonly root?: boolean;
  /** Commands on the PATH or among the sbin folders. */
  readonly commands?: readonly string[];
  /** Absolute paths. */
  readonly files?: readonly string[];
}

/**
 * For `Deno.test({ ignore: skipped(name, needs), … })`: prints one line
 * "SKIPPED name: needs …" when something is missing.
 */
export function skipped(name: string, needs: Needs): boolean {
  const missing: string[] = [];
  if (needs.root === true && Deno.uid() !== 0) missing.push("root");
  for (const command of needs.commands ?? []) {
    if (findCommand(command) === undefined) missing.push(command);
  }
  for (const file of needs.files ?? []) {
    if (!isThere(file)) missing.push(file);
  }
  if (missing.length === 0) return false;
  console.log(`SKIPPED ${name}: needs ${missing.join(", ")}`);
  return true;
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
