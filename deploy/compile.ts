/**
 * `deno task compile`: one executable made by `deno compile`, with permissions
 * and V8 flags in it. Its base is `denort`, which Deno downloads, or which
 * `DENORT_BIN` names.
 *
 * The program is bundled first, as for `deno task build`: else every file of
 * every npm package goes in, 75 MB instead of 5.
 *
 * @module
 */

import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Target } from "../ffi/build.ts";
import { bundleProgram, PROGRAM } from "./bundle.ts";
import { denoReason } from "./exec.ts";
import { callersFolder, parseFileOptions } from "./options.ts";
import { NO_PROMPT, permissions, V8_FLAGS } from "./permissions.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** include/uapi/linux/elf-em.h */
const ELF_MACHINES: Readonly<Record<Target, number>> = {
  x86_64: 62, // EM_X86_64
  aarch64: 183, // EM_AARCH64
};

export interface CompileOptions {
  readonly target: Target;
  /** Absolute. */
  readonly output: string;
  /** Absolute; `undefined`: Deno has it, or downloads it. */
  readonly denort: string | undefined;
}

/** @throws {Error} with one sentence for people */
export async function compile(options: CompileOptions): Promise<void> {
  const { target, output, denort } = options;
  if (denort !== undefined) await checkRuntime(denort, target);
  const pieces = await bundleProgram({ kind: "compiled", target });
  await Deno.mkdir(dirname(output), { recursive: true });
  const parent = await Deno.makeTempDir({ prefix: "clusternet-compile-" });
  try {
    const folder = join(parent, "clusternet");
    await Deno.mkdir(folder);
    for (const [name, bytes] of pieces) {
      const file = join(folder, name);
      await Deno.writeFile(file, bytes);
      // It goes in as well: the same program gives the same bytes.
      await Deno.utime(file, 0, 0);
    }
    await compileFolder(folder, options);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

/** @param folder with all pieces of the program */
async function compileFolder(
  folder: string,
  { target, output, denort }: CompileOptions,
): Promise<void> {
  // Deno takes an empty one for a path.
  const { DENORT_BIN: _, ...env } = Deno.env.toObject();
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["compile", "--quiet", "--no-config", "--no-lock", "--no-check"],
      ...["--target", `${target}-unknown-linux-gnu`, "--unstable-net"],
      ...[NO_PROMPT, V8_FLAGS, ...permissions({ arch: target })],
      // The pieces that are imported when they are called for.
      ...["--include", folder, "--output", output, join(folder, PROGRAM)],
    ],
    cwd: folder,
    env: { ...env, ...(denort === undefined ? {} : { DENORT_BIN: denort }) },
    clearEnv: true,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (success) return;
  throw new Error(failure(new TextDecoder().decode(stderr), target));
}

/** Deno would say some of it in six lines, and the rest when the result is run. */
async function checkRuntime(path: string, target: Target): Promise<void> {
  const wrong = (why: string): Error =>
    new Error(`Cannot compile with DENORT_BIN=${path}: ${why}`);
  let stat: Deno.FileInfo;
  try {
    stat = await Deno.stat(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      throw wrong("there is no such file");
    }
    throw wrong(cause instanceof Error ? cause.message : String(cause));
  }
  if (!stat.isFile) throw wrong("it is not a file");
  if (((stat.mode ?? 0) & 0o111) === 0) {
    throw wrong(`it is not executable; run chmod +x ${path}`);
  }
  if (await elfMachine(path) !== ELF_MACHINES[target]) {
    throw wrong(`it is not an executable for Linux on ${target}`);
  }
}

/** `e_machine` of an ELF file of 64 bits, little-endian; else `undefined`. */
async function elfMachine(path: string): Promise<number | undefined> {
  const header = new Uint8Array(20);
  using file = await Deno.open(path);
  if (await file.read(header) !== header.length) return undefined;
  const magic = [0x7f, 0x45, 0x4c, 0x46, 2, 1]; // ELFCLASS64, ELFDATA2LSB
  if (!magic.every((byte, at) => header[at] === byte)) return undefined;
  return new DataView(header.buffer).getUint16(18, true);
}

async function isDeno(path: string): Promise<boolean> {
  return await Deno.realPath(path) === await Deno.realPath(Deno.execPath());
}

function failure(stderr: string, target: Target): string {
  const reason = denoReason(stderr);
  if (!stderr.includes("/denort-")) {
    return `Cannot compile for ${target}: ${reason}`;
  }
  const more = target === Deno.build.arch ? "" : ` --target ${target}`;
  return `Cannot compile for ${target}: its runtime denort cannot be downloaded here (${
    reason.split(": ").slice(-2).join(": ")
  }); ` +
    `name one by \`DENORT_BIN=/path/to/denort deno task compile${more}\`, ` +
    `or run \`deno task build${more}\`, which needs none`;
}

/** @throws {Error} the usage */
function parseOptions(args: readonly string[]): CompileOptions {
  const { target, output } = parseFileOptions(args);
  const folder = target === Deno.build.arch ? "compiled" : `compiled-${target}`;
  const denort = Deno.env.get("DENORT_BIN") ?? "";
  return {
    target,
    output: output ?? resolve(ROOT, `.build/${folder}/clusternet`),
    denort: denort === "" ? undefined : resolve(callersFolder(), denort),
  };
}

if (import.meta.main) {
  try {
    const options = parseOptions(Deno.args);
    await compile(options);
    if (options.denort !== undefined && await isDeno(options.denort)) {
      console.error(
        `DENORT_BIN=${options.denort} is deno itself: the result will be deno as well, for tests alone`,
      );
    }
    const { size } = await Deno.stat(options.output);
    console.log(
      `${relative(Deno.cwd(), options.output)}: ${options.target}, ${
        (size / 1e6).toFixed(1)
      } MB`,
    );
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
