/**
 * Debian packages that the demo and the tests need: what for, whether they are
 * there, and how they come.
 *
 * @module
 */

import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Need {
  /** Debian's and Ubuntu's name. */
  readonly package: string;
  /** For people: "it attaches the pods". */
  readonly why: string;
  /** There if one of these is: a command on the PATH, or an absolute path. */
  readonly anyOf: readonly string[];
}

/** apt's own default of DPkg::Path. */
const SYSTEM_PATH = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

const SBIN = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** Where a command is; `undefined`: nowhere on the PATH or among the sbin folders. */
export function findCommand(name: string): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(delimiter);
  return [...folders, ...SBIN]
    .map((folder) => join(folder, name))
    .find(isThere);
}

/** Follows links; one that leads nowhere is not there. */
export function isThere(path: string): boolean {
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

/** A line for each package, with all that it is for: "  tcpdump  it captures the underlay". */
export function needsText(needs: readonly Need[]): string {
  const reasons = new Map<string, Set<string>>();
  for (const need of needs) {
    const known = reasons.get(need.package) ?? new Set();
    reasons.set(need.package, known.add(need.why));
  }
  const width = Math.max(...[...reasons.keys()].map((name) => name.length));
  return [...reasons]
    .map(([name, whys]) => `  ${name.padEnd(width)}  ${[...whys].join("; ")}`)
    .join("\n");
}

/**
 * Installs packages with apt-get; its output is shown only when it fails.
 *
 * @param signal keeps the next apt-get from starting; one that runs is waited for
 * @throws {Error} one sentence, when there is no apt-get, no right or no package
 */
export async function installPackages(
  packages: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  if (packages.length === 0) return;
  const all = [...new Set(packages)];
  const names = all.join(" ");
  if (findCommand("apt-get") === undefined) {
    throw new Error(
      `Cannot install ${names}: no apt-get here; install what they hold by other means`,
    );
  }
  if (Deno.uid() !== 0) {
    throw new Error(
      `Cannot install ${names}: not root; run \`apt-get install --no-install-recommends ${names}\` as root`,
    );
  }
  const install = ["install", "-y", "--no-install-recommends", ...all];
  if ((await aptGet(install)).code === 0) return;
  signal.throwIfAborted();
  // The lists of a fresh machine are empty or old.
  const update = await aptGet([
    ...["-o", "APT::Update::Error-Mode=any", "update"],
  ]);
  signal.throwIfAborted();
  const second = await aptGet(install);
  if (second.code === 0) return;
  const said = update.code === 0 ? second.text : update.text;
  throw new Error(`Cannot install ${names}: apt-get says: ${aptReason(said)}`);
}

/** What apt-get printed as a part of a sentence: each reason once, without its letters. */
export function aptReason(text: string): string {
  const reasons = text.split("\n")
    .map((line) => line.replace(/^[EW]: /, "").trim())
    .filter((line) => line !== "" && !line.startsWith("Some index files"))
    // "Failed to fetch URL  why", for each of its lists: why is the same.
    .map((line) => line.replace(/^Failed to fetch \S+ +/, ""));
  return [...new Set(reasons)].join("; ").slice(0, 600) || "nothing";
}

/** Comes before the real programs in the PATH of maintainer scripts: no service is started. */
const NO_SERVICES = fileURLToPath(new URL("no_services", import.meta.url));

/** In a session of its own: a Ctrl-C must not leave packages half configured. */
async function aptGet(
  args: readonly string[],
): Promise<{ readonly code: number; readonly text: string }> {
  const { code, stderr } = await new Deno.Command("apt-get", {
    args: [
      ...["-qq", "-o", "DPkg::Lock::Timeout=120"],
      ...["-o", `DPkg::Path=${[NO_SERVICES, ...SYSTEM_PATH].join(":")}`],
      ...args,
    ],
    env: { DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    detached: true,
  }).output();
  return { code, text: new TextDecoder().decode(stderr).trim() };
}
