/**
 * `clusternet version`.
 *
 * @module
 */

import { VERSION } from "../core/version.ts";

export function versionText(): string {
  const { deno, v8 } = Deno.version;
  return `clusternet ${VERSION} (Deno ${deno}, V8 ${v8}, ${Deno.build.arch})`;
}
