/**
 * Debian packages that the demo and the tests need: what for, whether they are
 * there, and how they come.
 *
 * @module
 */

import { delimiter, join } from "node:path";

export interface Need {
  /** Debian's and Ubuntu's name. */
  readonly package: string;
  /** For people: "it attaches the pods". */
  readonly why: string;
  /** There if one of these is: a command on the PATH, or an absolute path. */
  readonly anyOf: readonly string[];
}

const SBIN = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** Where a command is; `undefined`: nowhere on the PATH or among the sbin folders. */
export function findCommand(name: string): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(delimiter);
  return [...folders, ...SBIN]
    .map((folder) => join(folder, name))
    .find(isThere);
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

export function missingNeeds(needs: readonly Need[]): readonly Need[] {
  return needs.filter((need) =>
    !need.anyOf.some((name) =>
      name.startsWith("/") ? isThere(name) : findCommand(name) !== undefined
    )
  );
}

/** "tcpdump (it captures the underlay)", a line each. */
export function needsText(needs: readonly Need[]): string {
  const width = Math.max(...needs.map((need) => need.package.length));
  return needs
    .map((need) => `  ${need.package.padEnd(width)}  ${need.why}`)
    .join("\n");
}

/**
 * Installs packages with apt-get; its output is shown only when it fails.
 *
 * @throws {Error} one sentence, when there is no apt-get, no right or no package
 */
export async function installPackages(
  packages: readonly string[],
): Promise<void> {
  if (packages.length === 0) return;
  const all = [...new Set(packages)];
  if (findCommand("apt-get") === undefined) {
    throw new Error(
      `Cannot install ${
        all.join(" ")
      }: no apt-get here; install what they hold by other means`,
    );
  }
  if (Deno.uid() !== 0) {
    throw new Error(
      `Cannot install ${all.join(" ")}: not root; run \`apt-get install ${
        all.join(" ")
      }\` as root`,
    );
  }
  const install = ["install", "-y", "--no-install-recommends", ...all];
  if ((await aptGet(install)).code === 0) return;
  // The lists of a fresh machine are empty or old.
  await aptGet(["update"]);
  const second = await aptGet(install);
  if (second.code === 0) return;
  throw new Error(
    `Cannot install ${all.join(" ")}: apt-get says: ${second.text}`,
  );
}

async function aptGet(
  args: readonly string[],
): Promise<{ readonly code: number; readonly text: string }> {
  const { code, stderr } = await new Deno.Command("apt-get", {
    args: ["-qq", "-o", "DPkg::Lock::Timeout=120", ...args],
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  return { code, text: new TextDecoder().decode(stderr).trim().slice(-600) };
}
