/**
 * The CNI configuration, put in place so that a container runtime takes notice
 * and that nothing valid is left after a reboot:
 *
 *     net.d/10-clusternet.conflist ──► /run/clusternet-cni/10-clusternet.conflist
 *
 * The text lies on tmpfs; the name in net.d is a symbolic link to it, and
 * dangles until the agent of this boot has run. containerd reloads at a rename
 * within the directory and overlooks one that comes from elsewhere, so a fresh
 * link goes `.clusternet/` → `.10-clusternet.tmp` → its final name. Every step
 * is a rename: a reader finds the old text or the new one, never a part.
 *
 * What somebody else has put under that name is never overwritten.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import { CNI_RUN_DIRECTORY } from "../core/cni.ts";
import { ProblemError } from "../core/errors.ts";
import {
  openOrMakeDirectory,
  removeIfThere,
  systemReason,
} from "./directory.ts";
import type { Shim } from "./shim.ts";

export interface ConflistFileOptions {
  readonly shim: Shim;
  /** `CNI_RUN_DIRECTORY` by default; made (0700) if absent. */
  readonly directory?: string;
}

/** Fits the ConflistPort of `agent/ports.ts`. */
export class ConflistFile {
  readonly #shim: Shim;
  readonly #directory: string;

  constructor(options: ConflistFileOptions) {
    this.#shim = options.shim;
    this.#directory = options.directory ?? CNI_RUN_DIRECTORY;
  }

  /**
   * The text that a runtime loads through our own link; `null` where there is
   * none, or something that is not ours.
   */
  async read(file: string): Promise<string | null> {
    const target = this.#target(file);
    if (linkTarget(file) !== target) return null;
    try {
      return await Deno.readTextFile(target);
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) return null;
      throw new Error(
        `Cannot read CNI configuration ${target}: ${systemReason(cause)}`,
        { cause },
      );
    }
  }

  /** @throws {Error} one sentence: a foreign file, a directory that is missing or read-only */
  async write(file: string, text: string): Promise<void> {
    const target = this.#target(file);
    try {
      await refuseForeign(file, target);
      this.#writeTarget(target, text);
      this.#placeLink(file, target);
    } catch (cause) {
      if (cause instanceof ForeignFile) throw cause;
      throw new Error(
        `Cannot write CNI configuration ${file}: ${systemReason(cause)}`,
        { cause },
      );
    }
  }

  #target(file: string): string {
    return join(this.#directory, basename(file));
  }

  #writeTarget(target: string, text: string): void {
    using _directory = openOrMakeDirectory(this.#directory, this.#shim);
    const draft = join(this.#directory, `.${basename(target)}.new`);
    // An old draft may be a link to somewhere.
    removeIfThere(draft);
    Deno.writeTextFileSync(draft, text, { mode: 0o600, createNew: true });
    Deno.renameSync(draft, target);
  }

  /** The last rename is the one that a runtime notices. */
  #placeLink(file: string, target: string): void {
    const folder = dirname(file);
    const staging = join(folder, ".clusternet");
    const stem = basename(file).replace(/\.[^.]*$/, "");
    const draft = join(staging, basename(file));
    const near = join(folder, `.${stem}.tmp`);
    using directory = openOrMakeDirectory(folder, this.#shim);
    using _staging = openOrMakeDirectory(staging, this.#shim);
    removeIfThere(draft);
    this.#shim.symlink(target, draft);
    Deno.renameSync(draft, near);
    Deno.renameSync(near, file);
    // The link is to be there after a power cut, as the routes' absence is.
    this.#shim.fsync(directory);
  }
}

/** Not an error of the system: the sentence is complete as it is. */
class ForeignFile extends ProblemError {
  constructor(message: string) {
    super(message, { reason: "ForeignCNIConfiguration" });
  }
}

/** `undefined`: nothing there, or no symbolic link. */
function linkTarget(file: string): string | undefined {
  try {
    const { isSymlink } = Deno.lstatSync(file);
    return isSymlink ? Deno.readLinkSync(file) : undefined;
  } catch (cause) {
    if (
      cause instanceof Deno.errors.NotFound ||
      cause instanceof Deno.errors.NotADirectory
    ) return undefined;
    throw new Error(
      `Cannot read CNI configuration ${file}: ${systemReason(cause)}`,
      { cause },
    );
  }
}

async function refuseForeign(file: string, target: string): Promise<void> {
  try {
    Deno.lstatSync(file);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return;
    throw cause;
  }
  const link = linkTarget(file);
  if (link === target) return;
  const what = link === undefined
    ? await describe(file)
    : `it is a link to ${link}`;
  throw new ForeignFile(
    `Cannot write CNI configuration ${file}: ${what}; remove it, or choose another --cni-conf-file`,
  );
}

/** Names the network of a file that somebody else wrote, where it has one. */
async function describe(file: string): Promise<string> {
  try {
    const { name }: { readonly name?: unknown } = JSON.parse(
      await Deno.readTextFile(file),
    );
    if (typeof name === "string") {
      return `it is not ours (network ${JSON.stringify(name.slice(0, 64))})`;
    }
  } catch { /* whatever it is, it is not ours */ }
  return "what is there is not ours";
}
