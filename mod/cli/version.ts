/**
 * `clusternet version`.
 *
 * @module
 */

import { type BuildInfo, VERSION } from "../core/version.ts";

/** One line: version, commit, runtime, machine, build kind. */
export function versionText(build: BuildInfo): string {
  const { deno, v8 } = Deno.version;
  const facts = [
    `commit ${build.commit ?? checkoutCommit() ?? "unknown"}`,
    `Deno ${deno}`,
    `V8 ${v8}`,
    Deno.build.arch,
    `build ${build.kind}`,
  ];
  return `clusternet ${VERSION} (${facts.join(", ")})`;
}

/** Of the checkout that this file lies in, if it does. */
function checkoutCommit(): string | undefined {
  // A bundle has none.
  if (!import.meta.url?.startsWith("file:")) return undefined;
  try {
    const { success, stdout } = new Deno.Command("git", {
      args: ["rev-parse", "--short=12", "HEAD"],
      cwd: new URL(".", import.meta.url),
      stderr: "null",
    }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch {
    return undefined;
  }
}
