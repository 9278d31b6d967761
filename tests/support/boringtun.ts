/**
 * boringtun, the userspace WireGuard that Debian has no package of: the
 * machine's, else one built from its crate where there is cargo.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { findCommand } from "./packages.ts";

const CRATE_VERSION = "0.7.1";

/** `undefined`: there is none here. */
export function findBoringtun(): string | undefined {
  const built = join(buildDir(), "bin", "boringtun-cli");
  return findCommand("boringtun-cli") ??
    (existsSync(built) ? built : undefined);
}

/** Builds it once, if it is not there and can be; without it its tests say that they are skipped. */
export async function buildBoringtun(
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const cargo = findCommand("cargo");
  if (cargo === undefined || findBoringtun() !== undefined) return;
  say(`building boringtun ${CRATE_VERSION} from its crate, once: some minutes`);
  const child = new Deno.Command(cargo, {
    args: [
      ...["install", "boringtun-cli", "--version", CRATE_VERSION],
      ...["--locked", "--quiet", "--root", buildDir()],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal,
  });
  const { code, stderr } = await child.output();
  signal.throwIfAborted();
  if (code === 0) return;
  const text = new TextDecoder().decode(stderr).trim().slice(-400);
  say(`Cannot build boringtun: cargo says: ${text}`);
}

function buildDir(): string {
  const home = Deno.env.get("HOME") ?? "/root";
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(home, ".cache");
  return join(cache, "clusternet", `boringtun-${CRATE_VERSION}`);
}
